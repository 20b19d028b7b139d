import {
    codeKindNames,
    codeName,
    codesOfThisCheckout,
    proposeCode,
    readMarket,
    registryChanges,
} from '@cocoon-market/wrappers';
import { choice } from '../scripting/flags';
import { proposalTask } from '../scripting/governor';
import { registryFlag, registryOf } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'proposeCode',
    group: 'governor',
    about: "Proposes this checkout's code of one kind of contract as its next version; older versions stay. From the governor.",
    flags: { ...registryFlag, kind: choice(codeKindNames).required('the kind of contract') },
    prepare: async (session, { registry, kind }) => {
        const at = await registryOf(session, registry);
        const code = (await codesOfThisCheckout())[kind];
        return proposalTask(session, {
            registry: at,
            change: registryChanges.code(kind, code),
            already: async () => {
                const version = (await readMarket(session.reader(), at)).codes[kind].indexOf(codeName(code));
                return version < 0 ? undefined : `this code is version ${version} of ${kind} already`;
            },
            propose: (actor) => proposeCode(actor, { registry: at, kind, code }),
        });
    },
});
