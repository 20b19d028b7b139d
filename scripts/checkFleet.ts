import { check, openProvider, providerFlags, readFleet, type Row } from '../scripting';

export const run = check({
    name: 'checkFleet',
    group: 'look',
    about: 'Lists the nodes of a Provider: address, endpoint, hardware and state.',
    flags: providerFlags,
    read: async (session, flags) => {
        const opened = await openProvider(session, flags);
        const nodes = await readFleet(session.reader(), opened.at);
        const rows: Row[] = [
            ['registry', session.format(opened.registry)],
            ['provider', session.format(opened.at)],
        ];
        for (const { number, codeVersion, open, hardware, service } of nodes) {
            const at = session.format(await opened.provider.getNodeAddress(BigInt(number), BigInt(codeVersion)));
            const machine = `${hardware.gpus} × ${hardware.model}`;
            rows.push([`node ${number}`, `${at} ${open ? 'open' : 'closed'} ${service.endpoint} ${machine}`]);
        }
        return rows;
    },
});
