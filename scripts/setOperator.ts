import { setOperator } from '@cocoon-market/wrappers';
import { addressOr } from '../scripting/flags';
import { providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'setOperator',
    group: 'provider',
    about: "Names who may change nodes besides the owner, or nobody. They neither register nodes nor set keys nor raise shares. From the provider's owner.",
    flags: { ...providerFlags, operator: addressOr('nobody').required('the wallet, or nobody') },
    prepare: (session, { operator, ...flags }) =>
        providerTask(session, flags, async ({ provider: opened }) => {
            const is = async () => {
                const now = (await opened.getMembershipNow()).operator;
                return operator === null || now === null ? now === operator : now.equals(operator);
            };
            return (await is())
                ? 'this is the operator already'
                : {
                      will: `let ${operator === null ? 'nobody but the owner' : session.formatWallet(operator)} change nodes`,
                      action: (actor, provider) => setOperator(actor, { provider, operator }),
                      done: is,
                  };
        }),
});
