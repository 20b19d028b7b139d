import { Writable } from 'node:stream';
import pino from 'pino';
import { createLog, logOptions } from '../../../offchain/process/log';
import { TestClient } from '../support/client';
import { until } from '../support/until';
import { startFixture } from '../support/worker';

const SECRET = 'xylophone';

describe('the log', () => {
    it('never holds a word of a prompt or an answer, whatever goes wrong', async () => {
        let text = '';
        const written = new Writable({
            write: (chunk: Buffer, _encoding, done) => ((text += chunk.toString()), done()),
        });
        const log = pino({ ...logOptions, level: 'trace' }, written);
        const fixture = await startFixture({}, { log });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);

        await client.ask(1, SECRET);
        fixture.backend.script = () => {
            throw new Error(`cannot answer ${SECRET}`);
        };
        await client.ask(2, SECRET);
        fixture.backend.script = () => [{ type: 'delta', content: SECRET }, { type: 'fail' }];
        await client.ask(3, SECRET);
        await client.ask(4, { [SECRET]: SECRET });
        await client.post('/v1/voucher', { [SECRET]: 1 });
        await fixture.worker.close('SIGTERM');
        await fixture.stop();

        expect(text).toContain('backend failed');
        expect(text).toMatch(/"cause":"SIGTERM".*"the worker stops: .*\n.*"the worker has stopped"/);
        expect(text.toLowerCase()).not.toContain(SECRET);
    });

    it('has one line about vouchers that count results which nobody gave, however many of them come', async () => {
        const lines: string[] = [];
        const log = pino({ ...logOptions, level: 'error' }, { write: (line: string) => void lines.push(line) });
        const fixture = await startFixture({}, { log });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        for (const count of [5, 6, 7]) {
            expect((await client.pay(client.voucher(0n, count))).status).toBe(200);
        }
        await fixture.stop();

        expect(lines).toHaveLength(1);
    });

    it('has one line a minute about a channel that cannot be read, however many queries ask for it', async () => {
        const lines: string[] = [];
        const log = pino({ ...logOptions, level: 'warn' }, { write: (line: string) => void lines.push(line) });
        let seconds = 0;
        const fixture = await startFixture({}, { log, steady: () => seconds });
        const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
        const unread = () => lines.filter((line) => line.includes('channel not read'));
        // Its client has claimed with a voucher that the worker has not seen.
        fixture.chain.change(client.channel, { paid: 500_000_000n });
        for (const number of [1, 2, 3]) {
            expect((await client.ask(number, 'one')).text).toBe('one');
        }
        await until(() => unread().length > 0); // it may be read in the background
        expect(unread()).toHaveLength(1);

        seconds += 60;
        await client.ask(4, 'one');
        await until(() => unread().length > 1);
        await fixture.stop();
        expect(unread()).toHaveLength(2);
    });

    it('has one line a minute about channels that no claims can be made of, however many they are', async () => {
        const lines: string[] = [];
        const log = pino({ ...logOptions, level: 'warn' }, { write: (line: string) => void lines.push(line) });
        let seconds = 0;
        const fixture = await startFixture({}, { log, steady: () => seconds });
        await fixture.worker.claimNow(); // the round of the start is over, and reads none of these
        for (const amount of [1000n, 2000n, 3000n]) {
            const client = await TestClient.withJob(fixture.worker.url, fixture.chain);
            await client.pay(client.voucher(amount, 0));
            fixture.chain.change(client.channel, { paid: 500_000_000n }); // more than any voucher that the worker has seen
        }
        const readings = () =>
            lines
                .filter((line) => line.includes('claims: channel not read'))
                .map((line) => (JSON.parse(line) as { readings: number }).readings);
        await fixture.worker.claimNow();
        await fixture.worker.claimNow();
        expect(readings()).toEqual([1]);

        seconds += 60;
        await fixture.worker.claimNow();
        await fixture.stop();
        expect(readings()).toEqual([1, 6]);
    });

    it('leaves out seeds, keys and whatever an error carries besides its words', () => {
        let text = '';
        const written = new Writable({
            write: (chunk: Buffer, _encoding, done) => ((text += chunk.toString()), done()),
        });
        const log = pino(logOptions, written);
        const error = Object.assign(new Error('no answer'), {
            config: { headers: { 'X-API-Key': 'hidden' } },
            code: 'E1',
        });
        log.error(
            { err: error, apiKey: 'hidden', config: { apiKey: 'hidden' }, seeds: { wallet: 'hidden' } },
            'failed',
        );

        expect(text).toContain('no answer');
        expect(text).toContain('E1');
        expect(text).not.toContain('hidden');
        expect(createLog('warn').level).toBe('warn');
    });
});
