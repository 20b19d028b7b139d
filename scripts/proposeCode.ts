import {
    codeKindNames,
    codeName,
    codesOfThisCheckout,
    proposeCode,
    readMarket,
    registryChanges,
} from '@cocoon-market/wrappers';
import { flag, proposalStep, registryScript } from '../scripting';

export const run = registryScript({
    name: 'proposeCode',
    group: 'governor',
    about: "Proposes this checkout's code of one kind of contract as its next version; older versions stay. From the governor.",
    flags: { kind: flag.choice(codeKindNames).required('the kind of contract') },
    step: async (session, opened, { kind }) => {
        const code = (await codesOfThisCheckout())[kind];
        const version = (await readMarket(session.reader(), opened.at)).codes[kind].indexOf(codeName(code));
        return proposalStep(session, opened, {
            change: registryChanges.code(kind, code),
            already: version < 0 ? undefined : `this code is version ${version} of ${kind} already`,
            propose: (actor, registry) => proposeCode(actor, { registry, kind, code }),
        });
    },
});
