import { beginCell, Cell, contractAddress, Dictionary, toNano } from '@ton/core';
import { defaultConfig, internal } from '@ton/sandbox';
import { TonClient } from '@ton/ton';
import {
    FAUCET_ADDRESS,
    type Localnet,
    LocalnetClient,
    networkConfig,
    PRICE_LEVELS,
    type PriceLevel,
    startLocalnet,
} from '@cocoon-market/localnet';
import { newestFee, rpc, stranger, transfer, walletV4 } from './support';
import { withoutValidators } from '../support/chain';

// DROP GLOBALID: leaves the network id, whichever get method is called.
const GLOBALID_CODE = beginCell().storeUint(0x30f835, 24).endCell();
const START = 1_800_000_000;

function paramsOf(config: Cell) {
    return config.beginParse().loadDictDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell());
}

const levels = {} as Record<PriceLevel, Localnet>;
let testnetLike: Localnet;

beforeAll(async () => {
    for (const prices of PRICE_LEVELS) {
        levels[prices] = await startLocalnet({ prices, clock: 'manual', now: START });
    }
    testnetLike = await startLocalnet({ networkId: -3 });
});

afterAll(() => Promise.all([...Object.values(levels), testnetLike].map((localnet) => localnet.close())));

describe('Local network: prices', () => {
    it('leaves the default configuration as it is at the prices of 2025', () => {
        expect(networkConfig('2025').equals(Cell.fromBase64(defaultConfig))).toBe(true);
    });

    it.each(['2026', 'tenfold'] as const)('changes nothing but prices at the level %s', (level) => {
        const before = paramsOf(networkConfig('2025'));
        const after = paramsOf(networkConfig(level));

        const changed = before.keys().filter((id) => !after.get(id)?.equals(before.get(id)!));

        expect(after.keys()).toEqual(before.keys());
        expect(changed).toEqual(level === '2026' ? [18, 21, 25] : [18, 20, 21, 24, 25]);
    });

    it.each(PRICE_LEVELS)(
        'leaves out nothing but the three sets of validators when asked to, at the level %s',
        (level) => {
            const whole = paramsOf(networkConfig(level));
            const slim = paramsOf(withoutValidators(networkConfig(level)));

            expect(whole.keys().filter((id) => !slim.get(id)?.equals(whole.get(id)!))).toEqual([32, 34, 36]);
        },
    );

    it.each([
        ['2025', 2_329_600n],
        ['2026', 388_269n],
        ['tenfold', 23_296_000n],
    ] as const)('takes at the level %s %i nanoTON for a wallet transfer', async (prices, fee) => {
        const localnet = levels[prices];
        const wallet = new TonClient({ endpoint: localnet.url }).open(walletV4());
        await localnet.faucet(wallet.address, toNano(1));
        await transfer(wallet, 0, stranger, toNano('0.1'));

        await transfer(wallet, 1, stranger, toNano('0.1'));

        expect(await newestFee(localnet.url, wallet.address)).toBe(fee);
    });

    it('takes storage fees for the time that passed', async () => {
        const localnet = levels['2026'];
        const wallet = new TonClient({ endpoint: localnet.url }).open(walletV4());
        const { used } = (await localnet.blockchain.getContract(wallet.address)).account.account!.storageStats;

        localnet.advance(365 * 86_400);
        await transfer(wallet, 2, stranger, 1n);

        const { storageFees } = localnet.transactions.at(-2)!;
        expect(storageFees).toBe((135n * used.cells * 31_536_000n + 0xffffn) >> 16n);
    });

    it('serves its configuration by parameter', async () => {
        const answer = await rpc(levels['2026'].url, 'getConfigParam', { config_id: 19 });

        const { bytes } = (answer as { config: { bytes: string } }).config;
        expect(Cell.fromBase64(bytes).beginParse().loadInt(32)).toBe(-239);
    });
});

describe('Local network: network id', () => {
    it.each([
        ['mainnet by default', () => levels['2025'], -239],
        ['testnet if asked for', () => testnetLike, -3],
    ])('is that of %s, also for contracts that read it with GLOBALID', async (_, net, expected) => {
        const localnet = net();
        const client = new TonClient({ endpoint: localnet.url });
        const init = { code: GLOBALID_CODE, data: Cell.EMPTY };
        const to = contractAddress(0, init);
        await localnet.blockchain.sendMessage(internal({ from: stranger, to, value: toNano(1), stateInit: init }));

        const { stack } = await client.runMethod(to, 'anything');

        expect(stack.readNumber()).toBe(expected);
        expect(localnet.networkId).toBe(expected);
        expect(await new LocalnetClient(localnet.url).networkId()).toBe(expected);
    });
});

describe('Local network: clock', () => {
    it('stands still in manual mode until it is advanced', async () => {
        const localnet = levels['2025'];
        const remote = new LocalnetClient(localnet.url);

        expect(await remote.now()).toBe(START);
        expect(await remote.advance(60)).toBe(START + 60);
        expect(localnet.now()).toBe(START + 60);
    });

    it('stamps transactions with its time', async () => {
        const localnet = levels['2025'];
        localnet.setTime(START + 100);

        const credit = await localnet.faucet(stranger, 1n);

        expect(credit.now).toBe(START + 100);
    });

    it('follows real time in wall mode, plus what was advanced', () => {
        testnetLike.advance(1000);

        const ahead = testnetLike.now() - Math.floor(Date.now() / 1000);

        expect(ahead).toBeGreaterThanOrEqual(999);
        expect(ahead).toBeLessThanOrEqual(1001);
    });

    it('refuses to go back', () => {
        const localnet = levels['2025'];
        const before = localnet.now();

        expect(() => localnet.setTime(before - 1)).toThrow('time only goes forward');
        expect(localnet.now()).toBe(before);
    });
});

describe('Local network: log of transactions', () => {
    let localnet: Localnet;
    let remote: LocalnetClient;
    let before: number;

    beforeAll(async () => {
        localnet = await startLocalnet({ prices: '2025', clock: 'manual', now: START });
        remote = new LocalnetClient(localnet.url);
    });

    beforeEach(() => {
        before = localnet.transactions.length;
    });

    afterAll(() => localnet.close());

    it('holds every transaction of a chain in the order of execution, with what it did', async () => {
        const wallet = new TonClient({ endpoint: localnet.url }).open(walletV4());
        await remote.faucet(wallet.address, toNano(1));

        await transfer(wallet, 0, stranger, 1000n);

        const [credit, sent, received] = await remote.transactions();
        expect(credit).toMatchObject({
            index: 1,
            account: wallet.address.toRawString(),
            computeGas: null,
            inMessage: { type: 'internal', source: FAUCET_ADDRESS.toRawString(), value: toNano(1) },
        });
        expect(sent).toMatchObject({
            index: 2,
            now: START,
            inMessage: { type: 'external-in', source: null },
            computeGas: 3308n,
            computeExitCode: 0,
            actionResultCode: 0,
            forwardFees: 400_000n,
            outMessages: [{ type: 'internal', value: 1000n, destination: stranger.toRawString(), opcode: null }],
            aborted: false,
            endStatus: 'active',
        });
        expect(received).toMatchObject({ index: 3, account: stranger.toRawString(), outMessages: [] });
        expect(received.inMessage!.hash).toBe(sent.outMessages[0].hash);
        expect(received.lt).toBeGreaterThan(sent.lt);
        expect(Cell.fromBase64(sent.boc).hash().toString('hex')).toBe(sent.hash);
    });

    it('is the same in and out of process, and can be read on from any position', async () => {
        for (let i = 0; i < 3; i++) {
            await remote.faucet(stranger, 1n);
        }

        expect(await remote.transactions()).toEqual(localnet.transactions);
        expect((await remote.transactions(before + 2)).map(({ index }) => index)).toEqual([before + 3]);
        expect(await remote.transactions(before + 3)).toEqual([]);
    });

    it('holds what is sent on the sandbox directly, and bounces', async () => {
        const sender = await localnet.blockchain.treasury('sender');
        before = localnet.transactions.length;

        await sender.send({
            to: stranger,
            value: toNano(1),
            bounce: true,
            body: beginCell().storeUint(7, 32).endCell(),
        });

        const [sent, refused, returned] = localnet.transactions.slice(before);
        expect(sent.outMessages).toMatchObject([{ opcode: 7, bounce: true }]);
        expect(refused).toMatchObject({ account: stranger.toRawString(), aborted: true, computeExitCode: null });
        expect(returned.inMessage).toMatchObject({ bounced: true, opcode: 0xffffffff });
    });

    it('tells listeners of each transaction until they stop', async () => {
        const heard: number[] = [];
        const stop = localnet.onTransaction(({ index }) => heard.push(index));

        await localnet.faucet(stranger, 1n);
        await localnet.faucet(stranger, 1n);
        stop();
        await localnet.faucet(stranger, 1n);

        expect(heard).toEqual([before + 1, before + 2]);
    });

    it('keeps chains apart when many messages come at once', async () => {
        await Promise.all(Array.from({ length: 20 }, (_, i) => remote.faucet(stranger, BigInt(i + 1))));

        const log = localnet.transactions.slice(before);
        expect(log.map(({ index }) => index - before)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
        expect(log.every(({ lt }, i) => i === 0 || lt > log[i - 1].lt)).toBe(true);
        expect(log.reduce((sum, { inMessage }) => sum + inMessage!.value, 0n)).toBe(210n);
    });
});
