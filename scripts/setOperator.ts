import { setOperator } from '@cocoon-market/wrappers';
import { flag, providerScript } from '../scripting';

export const run = providerScript({
    name: 'setOperator',
    about: "Names who may change nodes besides the owner, or nobody. They neither register nodes nor set keys nor raise shares. From the provider's owner.",
    flags: { operator: flag.addressOr('nobody').required('the wallet, or nobody') },
    step: async (session, { provider: opened }, { operator }) => {
        const is = async () => {
            const now = (await opened.getMembership()).operator;
            return operator === null || now === null ? now === operator : now.equals(operator);
        };
        return (await is())
            ? 'this is the operator already'
            : {
                  will: `let ${operator === null ? 'nobody but the owner' : session.formatWallet(operator)} change nodes`,
                  action: (actor, provider) => setOperator(actor, { provider, operator }),
                  done: is,
              };
    },
});
