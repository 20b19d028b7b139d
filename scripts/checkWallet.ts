import { ton } from '../deploy/output';
import { check } from '../deploy/script';

export const run = check({
    name: 'checkWallet',
    about: 'Shows the wallet of the command line on this network, and what it holds.',
    flags: {},
    read: async (session) => {
        const { balance, active } = await session.account(session.actor);
        return [
            ['network', `${session.network.name}, id ${session.network.globalId}`],
            ['wallet', session.show(session.actor, false)],
            ['raw', session.actor.toRawString()],
            ['kind', session.wallet?.version ?? 'none'],
            ['state', active ? 'active' : 'not used yet'],
            ['holds', ton(balance)],
        ];
    },
});
