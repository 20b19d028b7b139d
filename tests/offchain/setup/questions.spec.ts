/** What `init` asks a person at a terminal, and asks again after a wrong answer. */
import { GLOBAL_IDS, ruleWindows } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerCommand } from '../../../offchain/cli/worker';
import { reachableUrl } from '../../../offchain/cli/worker/initFlags';
import { askModels, askRates } from '../../../offchain/cli/worker/initMachine';
import { Questions } from '../../../offchain/cli/question';
import { EMBEDDED } from '../../../offchain/setup/modelServers';
import { stakeHold } from '../../../offchain/setup/prospects';
import mainnet from '../../../params/mainnet.json';
import testnet from '../../../params/testnet.json';
import { ECHO } from '../support/backend';
import { ModelServer } from '../support/modelServer';
import { answering, heard, leaveTerminal } from './terminal';

const MAINNET = { network: GLOBAL_IDS.mainnet, endpoint: 'https://toncenter.com/api/v2/jsonRPC' };
const secondsOf = (text: string) => parseInt(text, 10) * (text.endsWith('h') ? 3600 : 60);
afterEach(leaveTerminal);

describe('A question', () => {
    const number = { flag: '--gpus N', read: (text: string) => Promise.resolve(Number.parseInt(text, 10)) };
    const whole = { ...number, read: async (text: string) => BigInt(await number.read(text)) };

    it('is asked again after four wrong answers, and takes the fifth', async () => {
        await expect(answering('a', 'b', 'c', 'd', '2').value(undefined, 'How many?', whole)).resolves.toBe(2n);
        expect(heard).toHaveLength(4);
    });

    it('ends with the fifth wrong answer, and says so', async () => {
        const asked = answering('a', 'b', 'c', 'd', 'e').value(undefined, 'How many?', whole);
        await expect(asked).rejects.toThrow('5 answers were wrong. Run the command again, and answer with --gpus N');
        expect(heard).toHaveLength(5);
    });
});

describe('init', () => {
    it('has no network by default, and asks again for one that the address of the market contradicts', async () => {
        const market = Address.parse(`0:${'ab'.repeat(32)}`).toString({ testOnly: true });
        answering(market, 'mainnet', ''); // Enter: the network of the address
        const folder = join(tmpdir(), 'no-such-node');
        const init = ['init', '--dir', folder, '--endpoint', 'http://127.0.0.1:1/'];

        await expect(workerCommand().parseAsync(init, { from: 'user' })).rejects.toThrow('→ check --endpoint');
        expect(heard).toEqual([expect.stringContaining('is an address of testnet, this is mainnet')]);
    });

    it.each([
        ['testnet', testnet, 27],
        ['mainnet', mainnet, 336],
    ])('says how long stake is held on %s: as long as a receipt and its case may take', (_, { rules }, hours) => {
        const windows = Object.fromEntries(ruleWindows.map((name) => [name, secondsOf(rules[name])]));
        expect(Math.round(stakeHold(windows as Parameters<typeof stakeHold>[0]) / 3600)).toBe(hours);
    });

    it('asks again for a model server that does not answer, and takes host and port', async () => {
        const server = await new ModelServer().start();
        const questions = answering('127.0.0.1:1', new URL(server.url).host, ECHO);
        const served = await askModels(questions, {}, () => undefined).finally(() => server.stop());

        expect(heard[0]).toContain('No model server answers at http://127.0.0.1:1/v1');
        expect(served.server?.url).toBe(server.url);
    });

    it('takes the model of this release as an answer, for a rehearsal', async () => {
        const { server, models } = await askModels(answering('embedded'), {}, () => undefined);

        expect(server).toBeUndefined();
        expect(models).toEqual([EMBEDDED]);
        await expect(askModels(answering('embedded'), { model: ['m'] }, () => undefined)).rejects.toThrow(
            '--model m: ',
        );
    });

    it.each(['0.000000001', '100'])('takes a price of %s TON where nobody else sells the model', async (price) => {
        const flags = { prompt: price, completion: price, cached: '0' };
        const rates = await askRates(new Questions(true), flags, [EMBEDDED.id], new Map());
        expect(rates.get(EMBEDDED.id)).toMatchObject({ cached: 0n });
    });

    it.each(['0', '100.000000001'])('takes a price of %s TON only with --any-price', async (price) => {
        const flags = { prompt: '0.2', completion: price };
        const ask = (more = {}) => askRates(new Questions(true), { ...flags, ...more }, [EMBEDDED.id], new Map());
        await expect(ask()).rejects.toThrow('add --any-price');
        await ask({ anyPrice: true });
    });

    it.each(['http://10.0.0.5:18090', 'http://127.0.0.1:18090', 'https://[fd00::1]'])(
        'lists %s only if the chain is a test network on this machine',
        (url) => {
            const own = 'http://127.0.0.1:8081/';
            for (const place of [MAINNET, { ...MAINNET, endpoint: own }]) {
                expect(() => reachableUrl(url, place)).toThrow('is a private address');
            }
            expect(reachableUrl(url, { network: GLOBAL_IDS.testnet, endpoint: own })).toBe(url);
        },
    );

    it('lists a public address wherever the chain is', () => {
        expect(reachableUrl('https://8.8.8.8/', MAINNET)).toBe('https://8.8.8.8');
    });
});
