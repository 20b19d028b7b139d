import { Channel } from '@cocoon-market/wrappers';
import { Address, Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import { type Order, TonHttpChain } from '../../offchain/chain';
import { ChainApi } from '../../offchain/chain/api';
import { openWallet } from '../../scripting/wallet';
import { run as fundWallet } from '../../scripts/fundWallet';
import { run as refundJob } from '../../scripts/refundJob';
import { answerOf, serverOf } from '../offchain/support/server';
import { until } from '../offchain/support/until';
import { providerOf, ScriptStage } from './support/scripts';

const to = new Address(0, Buffer.alloc(32, 9));
const asked = ['--to', to.toRawString(), '--up-to', '3', '--yes'];

describe('A script whose endpoint fails', () => {
    let stage: ScriptStage;
    let note: string;
    const arrived = async () => (await stage.network.blockchain.getContract(to)).balance;

    beforeEach(async () => {
        stage = await ScriptStage.open();
        note = join('temp', 'local', `order-${stage.wallet.address.hash.toString('hex')}.json`);
    });

    afterEach(async () => {
        rmSync(note, { force: true });
        await stage.close();
    });

    it('sends once what is answered with 504 and delivered later', async () => {
        stage.network.disturbances.plan('sendBoc', { kind: 'late', status: 504, afterMs: 1500 }, 2);

        const said = await stage.run(fundWallet, asked);

        expect(said).toContain('Sent 1 of 1');
        await stage.network.disturbances.hurry(); // the second as well
        expect(await arrived()).toBe(toNano('3'));
        expect(existsSync(note)).toBe(false);
    });

    it('run again while an order is on its way, waits for it and sends nothing', async () => {
        stage.network.disturbances.plan('sendBoc', { kind: 'late', status: 504, afterMs: 3_600_000 }, 1);
        stage.network.disturbances.plan('sendBoc', { kind: 'down', status: 504 }, 50);
        const lines: string[] = [];
        const print = jest.spyOn(console, 'log').mockImplementation((line: unknown) => void lines.push(String(line)));
        const run = async () => fundWallet(await providerOf(stage.network.url, stage.wallet), asked);
        const first = run(); // as if it was killed: the second knows nothing but the disk
        while (!existsSync(note)) {
            await new Promise((resolve) => setTimeout(resolve, 10));
        }

        const second = run();
        while (!lines.some((line) => line.includes('Waiting for order'))) {
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await stage.network.disturbances.hurry();
        await Promise.all([first, second]);
        print.mockRestore();

        expect(lines.join('\n')).toMatch(/Waiting for order 0 .*\n(.*\n)*.*Nothing to do: it holds 3 TON or more/);
        expect(await arrived()).toBe(toNano('3'));
    });

    it('run again goes on where an order of the first run ended the account to which it went', async () => {
        const terms = { job: 0, end: stage.network.now() - 1, notice: 3600, payout: to.hash };
        const { address: job, init } = await Channel.ofJob(to, { ...terms, voucherKey: Buffer.alloc(32, 1) });
        const { blockchain } = stage.network;
        await blockchain.sendMessage(internal({ from: to, to: job, value: toNano('0.5'), stateInit: init! }));
        const refund = stage.run(refundJob, ['--job', job.toRawString(), '--yes']);
        while (!existsSync(note)) {
            await new Promise((resolve) => setTimeout(resolve, 1));
        }
        const kept = readFileSync(note);
        await refund;
        writeFileSync(note, kept); // as if it was killed before it saw the end

        const said = await stage.run(fundWallet, asked);

        expect(said).toMatch(/The wallet has sent order \d+ .*; what it changed is read now/);
        expect(await arrived()).toBe(toNano('3'));
    });

    it('run again waits until its message has arrived, though somebody else has sent coins there', async () => {
        const { blockchain, disturbances } = stage.network;
        const elsewhere = new Address(0, Buffer.alloc(32, 10));
        const send = (from: Address) =>
            blockchain.sendMessage(internal({ from, to: elsewhere, value: toNano('0.1'), bounce: false }));
        const earlier = stage.run(fundWallet, ['--to', to.toRawString(), '--up-to', '1', '--yes']);
        while (!existsSync(note)) {
            await new Promise((resolve) => setTimeout(resolve, 1));
        }
        const kept = JSON.parse(readFileSync(note, 'utf8')) as object;
        await earlier;
        writeFileSync(note, JSON.stringify({ ...kept, to: elsewhere.toRawString(), newest: '0' })); // as if it was killed
        await send(to);

        const running = stage.run(fundWallet, asked);
        const waits = async () => {
            const looks = disturbances.calls.get('getTransactions') ?? 0;
            const hasLooked = () => (disturbances.calls.get('getTransactions') ?? 0) > looks + 5;
            await until(async () => hasLooked() || (await arrived()) > toNano('1'));
            expect(await arrived()).toBe(toNano('1'));
        };
        await waits();
        for (let more = 0; more < 60; more++) {
            await send(to); // more than one page of a list has
        }
        await waits();
        await send(stage.wallet.address);

        expect(await running).toContain('Sent 1 of 1');
        expect(await arrived()).toBe(toNano('3'));
    });

    it('run again sends nothing while what the first run kept of an order cannot be read', async () => {
        mkdirSync(dirname(note), { recursive: true });
        writeFileSync(note, '{');

        await expect(stage.run(fundWallet, asked)).rejects.toThrow(`${note} names an order of an earlier run`);

        expect(await arrived()).toBe(0n);
        expect(existsSync(note)).toBe(true);
    });

    it('is carried on by the next endpoint of COCOON_ENDPOINTS', async () => {
        stage.network.disturbances.plan('getAddressInformation', { kind: 'down', status: 502 }, 500);
        const { startLocalnet } = await import('@cocoon-market/localnet');
        const second = await startLocalnet({ networkId: -3 });
        await second.faucet(stage.wallet.address, toNano('10'));
        process.env.COCOON_ENDPOINTS = second.url;

        const said = await stage.run(fundWallet, asked).finally(() => delete process.env.COCOON_ENDPOINTS);

        expect(said).toContain('Sent 1 of 1');
        expect((await second.blockchain.getContract(to)).balance).toBe(toNano('3'));
        await second.close();
    });

    it('does its work at one call a second', async () => {
        stage.network.disturbances.limit = 1;

        const said = await stage.run(fundWallet, asked);

        expect(said).toContain('Sent 1 of 1');
        expect(await arrived()).toBe(toNano('3'));
    });
});

describe('A script whose first endpoint of three', () => {
    const stages: { close(): unknown }[] = [];

    afterEach(async () => {
        jest.restoreAllMocks();
        for (const one of stages.splice(0)) await one.close();
    });

    /** A wallet whose first endpoint changes what the network answers. */
    async function walletBehind(
        version: 'v4' | 'v5r1',
        lie: (method: string, result: Record<string, unknown>) => Record<string, unknown>,
    ) {
        const stage = await ScriptStage.open({ version });
        const liar = await serverOf(async (request, response) => {
            const call = (await json(request)) as { method: string };
            const answer = await answerOf<Record<string, unknown>>(stage.network.url, call);
            response.end(JSON.stringify({ ...answer, result: answer.result && lie(call.method, answer.result) }));
        });
        stages.push(liar, stage);
        const endpoint = [liar.url, stage.network.url, stage.network.url];
        const chain = new TonHttpChain({ network: -3, endpoint });
        const provider = await providerOf(stage.network.url, stage.wallet);
        const wallet = (await openWallet(provider, chain, { every: 50, within: 60_000 }))!;
        const pay = async (): Promise<Order> => {
            let order!: Order;
            const messages = [{ to, value: toNano('1'), body: Cell.EMPTY, bounce: false }];
            await wallet.send(messages, (signed) => void (order = signed));
            return order;
        };
        return { network: stage.network, wallet, pay };
    }

    const numbered = (method: string, result: Record<string, unknown>, number: string) =>
        method === 'runGetMethod' ? { ...result, exit_code: 0, stack: [['num', number]] } : result;

    describe('names the number of its wallet as unused', () => {
        it.each(['v5r1', 'v4'] as const)('still knows that an order of a wallet %s was executed', async (version) => {
            let isLying = false;
            const lie = (method: string, result: Record<string, unknown>) =>
                isLying ? numbered(method, result, '0x0') : result;
            const { network, wallet, pay } = await walletBehind(version, lie);
            const order = await pay();

            isLying = true;
            network.advance(300);
            expect(await wallet.outcome!(order)).toBe('executed');
        });
    });

    describe('tells of another number and of another year', () => {
        it.each(['v5r1', 'v4'] as const)('signs no order of a wallet %s that is kept for then', async (version) => {
            jest.spyOn(ChainApi.prototype, 'takeSpare').mockReturnValue([]); // as of endpoints without a key
            const { network, pay } = await walletBehind(version, (method, result) =>
                method === 'getAddressInformation'
                    ? { ...result, sync_utime: Number(result.sync_utime) + 31_536_000 }
                    : numbered(method, result, '0x9'),
            );
            const { seqno: first } = await pay();

            const { seqno, validUntil } = await pay();

            expect(seqno).toBe(first + 1);
            expect(validUntil).toBeLessThan(network.now() + 200);
            expect((await network.blockchain.getContract(to)).balance).toBe(toNano('2'));
        });
    });
});

describe('A script whose words are wrong', () => {
    let stage: ScriptStage;

    beforeAll(async () => {
        stage = await ScriptStage.open({ coins: '0' });
    });

    afterAll(() => stage.close());

    it.each([
        [
            '23 words',
            (words: string[]) => words.slice(1).join(' '),
            'A wallet has 24 words, these are 23\n  → check the words; nothing was sent',
        ],
        [
            'a typing error',
            (words: string[]) => [`${words[0]}q`, ...words.slice(1)].join(' '),
            'Word 1 is not in the list of wallet words: it has a typing error\n  → check the words; nothing was sent',
        ],
        [
            'a double space',
            (words: string[]) => words.join('  '),
            'write small letters and one space between two words',
        ],
    ])('refuses %s, and repeats none of them', async (_, change, said) => {
        const words = change(stage.wallet.words.split(' '));

        const refusal = await stage
            .run(fundWallet, asked, { ...stage.wallet, words })
            .catch((error: unknown) => (error as Error).message);

        expect(refusal).toBe(`WALLET_MNEMONIC: ${said}`);
    });
});
