import type { Cell } from '@ton/core';
import { ChainError } from '../../../offchain/chain';
import { errors } from '@cocoon-market/wrappers';
import { useMarket } from '../../support/market';
import { ask, Bench, startBench, until } from './support';

describe('An order whose outcome is not known', () => {
    const market = useMarket();
    let bench: Bench;

    const jobs = () => bench.gateway.book.all.map(({ number, phase }) => [number, phase]);
    const seqno = () => market().seqno();

    beforeEach(async () => void (bench = await startBench(market())));
    let late: Promise<void> | undefined; // a delivery that belongs to this test, even where it is over sooner
    afterEach(async () => {
        await late;
        late = undefined;
        await bench.close();
    });

    const carryLater = (body: Cell, ms: number) => {
        const carried = () =>
            market()
                .carry(body)
                .catch(() => undefined); // stale where the same order was taken before
        late = new Promise((resolve) => setTimeout(() => void carried().finally(resolve), ms));
    };

    it('was taken, and the next endpoint refuses it as stale: it opened its one job', async () => {
        bench.chain.beforeSend = async (body) => {
            bench.chain.beforeSend = () => undefined;
            await market().carry(body);
            bench.chain.taken.push({ lt: 1n, at: market().now, body });
            throw new ChainError('exitcode=1016', errors.ErrStaleSeqno);
        };

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toEqual([[0, 'open']]);
        expect(await seqno()).toBe(1);
    });

    it('goes before all that is only read, and so does what it waits for', async () => {
        const asked: string[] = [];
        const { chain } = bench;
        const read = chain.account.bind(chain);
        chain.as = (urgency) => {
            const seen = Object.create(chain) as typeof chain;
            seen.account = (address) => {
                asked.push(`${urgency} reads`);
                return read(address);
            };
            seen.sendExternal = (to, body) => {
                asked.push(`${urgency} sends`);
                return chain.sendExternal(to, body);
            };
            return seen;
        };
        await bench.restart();
        expect((await bench.post(ask)).status).toBe(200);
        await bench.gateway.closing.leave(bench.gateway.book.all[0]);

        expect(new Set(asked)).toEqual(new Set(['urgent reads', 'urgent sends']));
        expect(asked.filter((one) => one === 'urgent sends')).toHaveLength(2);
    });

    it('is delivered after the 504: no other order was sent meanwhile', async () => {
        bench.chain.beforeSend = (body) => {
            bench.chain.beforeSend = () => undefined;
            carryLater(body, 300);
            throw new ChainError('HTTP 504');
        };

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toEqual([[0, 'open']]);
        expect(await seqno()).toBe(1);
    });

    it('is not given up for one answer that says it is too late', async () => {
        let lies = 1;
        bench.chain.beforeSend = (body) => {
            bench.chain.beforeSend = () => undefined;
            carryLater(body, 100);
            bench.chain.lie = (address, truth) =>
                address.equals(market().escrow.address) && lies-- > 0 ? { ...truth, at: truth.at + 3600 } : truth;
            throw new ChainError('HTTP 504');
        };

        expect((await bench.post(ask)).status).toBe(200);
        expect(jobs()).toEqual([[0, 'open']]);
    });

    it('to leave, which came too late, is told so and not as one that another overtook', async () => {
        await bench.post(ask);
        bench.chain.beforeSend = () => {
            bench.chain.lie = (_, truth) => ({ ...truth, at: truth.at + 3600 });
            throw new ChainError('HTTP 504');
        };

        const leaving = bench.gateway.closing.leave(bench.gateway.book.all[0]);

        await expect(leaving).rejects.toThrow('did not take the order to leave in time, and never will');
    });

    it('to leave, while the chain is not read, is not told as one that was not taken: the reason is said', async () => {
        await bench.post(ask);
        const { chain } = bench;
        chain.beforeSend = () => {
            jest.spyOn(chain, 'account').mockRejectedValue(new ChainError('the API is away'));
        };

        const leaving = bench.gateway.closing.leave(bench.gateway.book.all[0]);

        await expect(leaving).rejects.toThrow('not known whether the escrow took the order to leave: the API is away');
        expect(bench.log.filter((line) => line.includes('"reason":"the API is away"'))).toHaveLength(1);
        jest.restoreAllMocks();
    });

    it('is waited for while the chain is not read, and the log says why', async () => {
        const { chain } = bench;
        const away = Array.from({ length: 5 }, () => new ChainError('the API is away'));
        chain.afterSend = () => {
            const account = jest.spyOn(chain, 'account');
            away.splice(0).forEach((error) => account.mockRejectedValueOnce(error));
        };

        expect((await bench.post(ask)).status).toBe(200);
        expect(bench.log.filter((line) => line.includes('"reason":"the API is away"'))).toHaveLength(1);
        jest.restoreAllMocks();
    });

    it('to leave, whose seqno another order took, is not thought taken: the next sweep sends it', async () => {
        await bench.post(ask);
        bench.chain.beforeSend = async () => {
            bench.chain.beforeSend = () => undefined;
            const body = await market().openOrder([market().newJob()]);
            await market().carry(body);
            bench.chain.taken.push({ lt: 2n, at: market().now, body });
            throw new ChainError('HTTP 504');
        };
        const [job] = bench.gateway.book.all;
        await expect(bench.gateway.closing.leave(job)).rejects.toThrow('took another order in the place');

        // A sweep leaves out a job that is busy; the gateway sweeps again and again.
        await until(async () => {
            await bench.gateway.sweep();
            return (await seqno()) === 3;
        }, 20_000);
        expect(job.phase).toBe('leaving');
    });
});
