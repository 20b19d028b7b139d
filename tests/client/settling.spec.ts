/** How a job ends: at its worker, without it, and when the endpoint shows an account again that it did not show. */
import type { Client, ClientJob } from '@cocoon-market/client';
import { MarketError } from '@cocoon-market/wrappers/market';
import { answerOf, market, openClient, openJob, StandInChain } from './support/standIn';

const DAY = 86_400;

describe('A job', () => {
    let chain: StandInChain;
    let client: Client;
    let job: ClientJob;
    let isDown: boolean; // the worker
    let claims: boolean; // the worker, when it is asked to end the job

    const fetch = async (url: string): Promise<Response> => {
        if (isDown) {
            throw new TypeError('fetch failed');
        }
        if (!url.endsWith('/end')) {
            return answerOf(url);
        }
        if (claims) {
            chain.channels.clear();
        }
        return Response.json({ claims });
    };

    beforeEach(async () => {
        [chain, isDown, claims] = [new StandInChain(), false, true];
        client = await openClient(chain, { fetch });
        await openJob(client).catch(() => undefined); // its worker takes no job yet
        [job] = await client.jobs();
    });
    afterEach(async () => {
        jest.restoreAllMocks();
        await client.close();
    });

    it('is settled by its worker, and cannot be left after that', async () => {
        expect(await job.settle()).toMatchObject({ phase: 'ended', refundAt: undefined });
        expect(await client.jobs()).toEqual([]);

        await expect(job.leave()).rejects.toMatchObject({ code: 'wrong_phase' });
        expect(await job.refund()).toMatchObject({ phase: 'ended' });
    });

    it('that seemed to have ended is left and refunded once the endpoint shows its account again', async () => {
        chain.isBehind = true;
        expect(await job.refund()).toMatchObject({ phase: 'ended' });
        chain.isBehind = false;

        const { notice } = job.terms;
        expect(await job.leave()).toMatchObject({ phase: 'leaving', refundAt: chain.now + notice });
        expect((await client.jobs()).map(({ phase }) => phase)).toEqual(['leaving']);
        await expect(job.refund()).rejects.toMatchObject({ code: 'wrong_phase', remedy: 'Wait until then.' });
        chain.now += notice;
        expect(await job.refund()).toMatchObject({ phase: 'ended' });
        expect(chain.channels.size).toBe(0);
    });

    it('that seemed to have ended is refunded after its end, although nobody left it', async () => {
        chain.isBehind = true;
        await job.refund();
        chain.isBehind = false;

        await expect(job.refund()).rejects.toMatchObject({ remedy: expect.stringContaining('leave()') as string });
        expect(job.phase).toBe('leaving');
        chain.now += DAY;
        expect(await job.refund()).toMatchObject({ phase: 'ended' });
        expect(chain.channels.size).toBe(0);
    });

    it('that seemed to have ended is left by settling it again', async () => {
        chain.isBehind = true;
        await job.refund();
        chain.isBehind = false;

        expect(await job.settle()).toMatchObject({ phase: 'leaving', refundAt: chain.now + job.terms.notice });
    });

    it('is not settled while its worker is down, and the error says that it can be settled later, or left', async () => {
        isDown = true;

        await expect(job.settle()).rejects.toMatchObject({
            code: 'worker_down',
            remedy: expect.stringMatching(/settle\(\) again later, or leave\(\)/) as string,
        });
        expect(job.phase).toBe('settling');
        expect(await job.leave()).toMatchObject({ phase: 'leaving' });
    });

    it('is settled by a second call once its worker answers again', async () => {
        isDown = true;
        await expect(job.settle()).rejects.toMatchObject({ code: 'worker_down' });
        isDown = false;

        expect(await job.settle()).toMatchObject({ phase: 'ended' });
    });

    it('whose account is no more has ended, although its worker is down', async () => {
        [isDown, chain.isBehind] = [true, true];

        expect(await job.settle()).toMatchObject({ phase: 'ended' });
    });

    it('is settled by a worker whose node has closed', async () => {
        const closed = new MarketError('unfit-node', 'The node is not open', 'Take another node.');
        jest.spyOn(market, 'readNode').mockRejectedValue(closed);

        expect(await job.settle()).toMatchObject({ phase: 'ended' });
    });

    it('that is worth less than a claim is left', async () => {
        claims = false;

        expect(await job.settle()).toMatchObject({
            phase: 'leaving',
            note: 'worth less to the worker than a claim costs',
        });
    });

    it('is left at the same time as another one, while a third is opened: each order has its own number', async () => {
        await openJob(client).catch(() => undefined);
        const [one, other] = await client.jobs();

        const opening = openJob(client).catch((error: unknown) => error);
        const left = await Promise.all([one.leave(), other.leave()]);

        expect(left.map(({ phase }) => phase)).toEqual(['leaving', 'leaving']);
        expect(await opening).toMatchObject({ code: 'worker_refused' }); // by its worker, which takes no job
        expect(chain.seqno).toBe(5);
    });

    it('that was left and has ended meanwhile is found to have ended when it is settled', async () => {
        await job.leave();
        chain.channels.clear();

        expect(await job.settle()).toMatchObject({ phase: 'ended' });
    });
});
