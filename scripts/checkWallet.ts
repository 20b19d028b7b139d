import { address } from '../scripting/flags';
import { ton } from '../scripting/output';
import { check } from '../scripting/script';

export const run = check({
    name: 'checkWallet',
    group: 'look',
    about: 'Shows the wallet of the command line, or the one that is named, on this network, and what it holds.',
    flags: { wallet: address.optional('the wallet; the one of the command line unless given') },
    read: async (session, { wallet }) => {
        const at = wallet ?? session.actor;
        const { balance, active } = await session.account(at);
        return [
            ['network', `${session.network.name}, id ${session.network.globalId}`],
            ['wallet', session.formatWallet(at)],
            ['raw', at.toRawString()],
            ['kind', session.wallet?.address.equals(at) === true ? session.wallet.version : 'unknown'],
            ['state', active ? 'active' : 'not used yet'],
            ['holds', ton(balance)],
        ];
    },
});
