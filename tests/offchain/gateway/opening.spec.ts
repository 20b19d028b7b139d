import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gatewayCommand } from '../../../offchain/cli/gateway';
import { opening, openQuery } from '../../../offchain/link';
import { useMarket } from '../../support/market';
import { ask, Bench, startBench } from './support';

describe('A gateway that keeps queries', () => {
    const market = useMarket();
    let bench: Bench;

    const open = (number = 1, out = join(bench.folder, 'query.json')) =>
        gatewayCommand()
            .exitOverride()
            .parseAsync(['open-query', '0', String(number), '--out', out, '--url', bench.gateway.url], {
                from: 'user',
            });

    beforeEach(() => void jest.spyOn(console, 'log').mockReturnValue());

    afterEach(async () => {
        jest.restoreAllMocks();
        await bench.close();
    });

    it('opens one to a file that shows request and answer, and opens no other', async () => {
        bench = await startBench(market(), { config: { keepHours: 1 } });
        await bench.post(ask);
        await bench.post({ ...ask, messages: [{ role: 'user', content: 'Something else' }] });
        await open();

        const file = join(bench.folder, 'query.json');
        const given = opening.parse(JSON.parse(readFileSync(file, 'utf8')));
        expect(openQuery(given)).toMatchObject({
            modelRequest: { endpoint: 'chat', body: ask },
            choices: [{ message: { content: 'Hello world' } }],
        });
        expect(() => openQuery({ ...given, number: 2 })).toThrow();
        await expect(open()).rejects.toThrow('EEXIST');
    });

    it('forgets them when their time is over, and keeps none unless it is told to', async () => {
        bench = await startBench(market(), { config: { keepHours: 1 } });
        await bench.post(ask);
        await bench.gateway.sweep();
        await open();
        market().blockchain.now = market().now + 3601;
        await bench.gateway.sweep();
        await expect(open(1, join(bench.folder, 'late.json'))).rejects.toThrow('Query 1 of job 0 is not stored');

        await bench.restart({ keepHours: 0 });
        await bench.gateway.recovery.recovered;
        await bench.post(ask);
        await expect(open(2, join(bench.folder, 'none.json'))).rejects.toThrow('"keepHours"');
    });

    it('keeps none that has no result', async () => {
        bench = await startBench(market(), { config: { keepHours: 1 } });
        bench.worker.scripts.push({ refuse: 'shutting_down' });
        await bench.post(ask);
        await expect(open()).rejects.toThrow('Query 1 of job 0 is not stored');
    });
});
