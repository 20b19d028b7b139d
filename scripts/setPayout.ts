import { setPayout } from '@cocoon-market/wrappers';
import { flag, providerScript } from '../scripting';

export const run = providerScript({
    name: 'setPayout',
    about: "Sets the account that jobs pay, after the rules' payout delay. From the provider's owner.",
    flags: { payout: flag.address.required('the wallet that jobs shall pay') },
    step: async (session, { provider: opened }, { payout }) => {
        const is = async () => (await opened.getMembership()).nextPayout?.equals(payout) === true;
        return (await is())
            ? 'this is the payout already'
            : {
                  will: `have jobs pay ${session.formatWallet(payout)}`,
                  action: (actor, provider) => setPayout(actor, { provider, payout }),
                  done: is,
              };
    },
});
