import { loadChannelData } from '@cocoon-market/wrappers';
import { beginCell } from '@ton/core';
import { type ChainAccount, ChainError } from '../../../offchain/chain';
import { HOUR, useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, SandboxChain, startBench, until } from './support';

const NONE = { state: 'uninitialized', balance: 0n, code: undefined, data: undefined } as const;

/** A channel's account with other numbers at the head of its data: paid, refundAt. */
function altered(truth: ChainAccount, { paid, refundAt }: { paid?: bigint; refundAt?: number }): ChainAccount {
    const data = truth.data!.beginParse();
    const were = [data.loadUintBig(64), data.loadUint(32)] as const;
    const head = beginCell()
        .storeUint(paid ?? were[0], 64)
        .storeUint(refundAt ?? were[1], 32);
    return { ...truth, data: head.storeSlice(data).endCell() };
}

describe("What one API says of a job's channel", () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => {
        bench = await startBench(market(), options);
        await bench.post(ask);
        await until(() => bench.worker.only.vouchers.length === 1);
    };
    const job = () => bench.gateway.book.all[0];
    const sweep = () => bench.gateway.sweep();
    const pass = (seconds: number) => (market().blockchain.now = market().now + seconds);
    /** The API lies about the channel, as often as `times` says. */
    const lie = (lies: (truth: ChainAccount) => ChainAccount, times = Infinity) => {
        let left = times;
        bench.chain.lie = (address, truth) =>
            address.equals(job().channel) && truth.state === 'active' && left-- > 0 ? lies(truth) : truth;
    };
    const gone = (truth: ChainAccount): ChainAccount => ({ ...truth, ...NONE });
    const leave = async () => {
        await bench.gateway.closing.leave(job());
        expect(job().phase).toBe('leaving');
    };

    afterEach(() => bench.close());

    it('once, that it is gone, forgets no deposit: it is refunded in its time', async () => {
        await start();
        await leave();
        lie(gone, 1);
        await sweep();
        expect(job().phase).toBe('leaving');
        pass(HOUR);
        await sweep();

        expect(job().phase).toBe('ended');
        expect(await market().isGone({ address: job().channel })).toBe(true);
    });

    it('once, that it is gone, at the moment of leaving, leaves it all the same', async () => {
        await start();
        lie(gone, 1);
        await bench.gateway.closing.leave(job());
        await sweep();

        expect(bench.chain.sent).toBe(2);
        expect(job().phase).toBe('leaving');
    });

    it('is believed after confirmSeconds of it, not a second before, and taken back when the chain shows the channel', async () => {
        await start();
        await leave();
        lie(gone);
        for (const seconds of [0, 120, 120, 59]) {
            pass(seconds);
            await sweep();
            expect(job().phase).toBe('leaving');
        }
        pass(1);
        await sweep();
        expect(job().phase).toBe('ended');
        lie((truth) => truth);
        await sweep();
        expect(['settling', 'leaving']).toContain(job().phase);
        pass(HOUR);
        await sweep();

        expect(await market().isGone({ address: job().channel })).toBe(true);
    });

    it('takes back what it ended also after a start', async () => {
        await start();
        await job().change({ phase: 'ended' });
        await bench.restart();
        await bench.gateway.recovery.recovered;
        expect(bench.gateway.book.all).toEqual([]);
        await sweep();

        expect(job().phase).toBe('settling');
    });

    it('is enough for a refund in its time while another endpoint is down, which locks no money', async () => {
        await start();
        const { chain } = bench;
        const down = async () => Promise.reject(new ChainError('the API does not answer'));
        chain.others = [{ account: down, open: (contract) => chain.open(contract) }];
        await bench.restart();
        await bench.gateway.recovery.recovered;
        await leave();
        pass(HOUR);
        await sweep();

        expect(await market().isGone({ address: job().channel })).toBe(true);
    });

    it('is not believed while another endpoint shows the channel', async () => {
        await start();
        const { chain } = bench;
        chain.others = [{ account: (address) => chain.truth(address), open: (contract) => chain.open(contract) }];
        await bench.restart();
        await bench.gateway.recovery.recovered;
        await leave();
        lie(gone);
        for (let time = 0; time < 6; time++) {
            await sweep();
            pass(300);
        }

        expect(job().phase).toBe('leaving');
    });

    it('that it has paid more than was ever signed, settles nothing and is passed', async () => {
        await start();
        lie((truth) => altered(truth, { paid: 900_000_000n }));
        bench.worker.onEnd = async () => undefined;
        await bench.gateway.closing.settle(job());

        expect(job().phase).toBe('settling');
    });

    it('twice, that its refund is due, sends no order', async () => {
        await start();
        await leave();
        const { sent } = bench.chain;
        lie((truth) => altered(truth, { refundAt: market().now - 1 }), 2);
        await sweep();

        expect(bench.chain.sent).toBe(sent);
    });

    describe('beside another endpoint that tells the truth', () => {
        const HOURS = 6; // until what only some endpoints show is acted upon
        const besideTruth = async () => {
            await start();
            bench.chain.others = [bench.chain, new SandboxChain(market())];
        };
        const sweepFor = async (hours: number) => {
            for (let time = 0; time < hours * 4; time++) {
                pass(HOUR / 4);
                await sweep();
            }
        };

        it('again and again, that it is not left, has few orders sent: each costs a fee', async () => {
            await besideTruth();
            const { refundAt } = loadChannelData((await bench.chain.truth(job().channel)).data!);
            lie((truth) => altered(truth, { refundAt }));
            await leave();
            const seqno = await market().seqno();
            await sweepFor(3);

            expect(await market().seqno()).toBe(seqno);
        });

        it('for ever, that it was left, delays for hours only that it is', async () => {
            await besideTruth();
            lie((truth) => altered(truth, { refundAt: truth.at + 60 }));
            await leave();
            expect(await market().seqno()).toBe(1);
            await sweepFor(HOURS + 1);
            expect(await market().seqno()).toBe(2);

            const { refundAt } = loadChannelData((await bench.chain.truth(job().channel)).data!);
            expect(refundAt).toBeLessThan(market().now + 2 * HOUR);
        });

        it('for ever, that its refund is not due, delays the deposit for hours only', async () => {
            await besideTruth();
            await leave();
            lie((truth) => altered(truth, { refundAt: truth.at + 60 }));
            await sweepFor(HOURS + 3);

            expect(await market().isGone({ address: job().channel })).toBe(true);
        });

        it('that a channel exists, which no other shows, opens no job again and blames no node', async () => {
            await start();
            const { chain } = bench;
            await job().change({ phase: 'failed' });
            chain.others = [
                chain,
                {
                    account: async (address) => ({ ...(await chain.truth(address)), ...NONE }),
                    open: chain.open.bind(chain),
                },
            ];
            await sweep();

            expect(job().phase).toBe('failed');
            chain.others = [chain, new SandboxChain(market())];
            await sweep();
            expect(job().phase).toBe('open');
        });
    });
});
