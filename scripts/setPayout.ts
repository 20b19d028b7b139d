import { setPayout } from '@cocoon-market/wrappers';
import { address } from '../scripting/flags';
import { providerFlags, providerTask } from '../scripting/provider';
import { script } from '../scripting/script';

export const run = script({
    name: 'setPayout',
    group: 'provider',
    about: "Sets the account that jobs pay, after the rules' payout delay. From the provider's owner.",
    flags: { ...providerFlags, payout: address.required('the wallet that jobs shall pay') },
    prepare: (session, { payout, ...flags }) =>
        providerTask(session, flags, async ({ provider: opened }) => {
            const is = async () => (await opened.getMembershipNow()).nextPayout.equals(payout);
            return (await is())
                ? 'this is the payout already'
                : {
                      will: `have jobs pay ${session.formatWallet(payout)}`,
                      action: (actor, provider) => setPayout(actor, { provider, payout }),
                      done: is,
                  };
        }),
});
