import { check, flag, ton } from '../scripting';

export const run = check({
    name: 'checkWallet',
    group: 'look',
    about: 'Shows the wallet of the command line, or a named one, with its balance on this network.',
    flags: { wallet: flag.address.optional('the wallet; default: that of the command line') },
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
