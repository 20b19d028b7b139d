// Longer than 350 lines because its cases share one set-up.
import { adminHeaders } from '../../../offchain/gateway/adminToken';
import { Channel, Finish, Reason, Verifier } from '@cocoon-market/wrappers';
import { ChainError } from '../../../offchain/chain';
import { SETTLE_SECONDS } from '../../../offchain/gateway/closing';
import { DAY, HOUR, JOB_LIMIT, testKey, useMarket } from '../../support/market';
import { ask, Bench, BenchOptions, startBench, testMeasurement, until } from './support';
import { FakeWorker, MODEL } from './support/worker';

describe('Jobs', () => {
    const market = useMarket();
    let bench: Bench;

    const start = async (options: BenchOptions = {}) => (bench = await startBench(market(), options));
    const jobs = () => bench.gateway.book.all;
    const job = () => jobs()[0];
    const settings = (change: object) => ({
        job: { deposit: '1000000000', step: '40000', notice: HOUR, lifetime: DAY, maxParallel: 4, ...change },
    });
    const seqno = () => market().seqno();
    /** The worker's last claim, as its payout sends it; `last`: false for one that does not end the account. */
    const claimLast = async (worker: FakeWorker, last = true) => {
        const { vouchers, channel } = worker.only;
        const contract = market().blockchain.openContract(Channel.fromAddress(channel));
        const voucher = vouchers.at(-1);
        await contract.sendClaim(market().payout.getSender(), {
            value: 100_000_000n,
            last,
            ...(voucher ? { voucher } : {}),
        });
    };

    afterEach(() => bench.close());

    describe('opening', () => {
        it('opens one job for many questions at once, and each job with its own voucher key', async () => {
            await start();
            const answers = await Promise.all(Array.from({ length: 4 }, () => bench.post(ask)));

            expect(answers.every(({ status }) => status === 200)).toBe(true);
            expect(jobs()).toHaveLength(1);
            expect(await seqno()).toBe(1);
            expect(job().terms.voucherKey.equals(testKey(1).publicKey)).toBe(false);
        });

        it('opens the next job ahead and settles the used one', async () => {
            await start({ config: settings({ deposit: '11000000', openAhead: 0.9 }) });
            bench.worker.scripts.push({ frames: Array<string>(120).fill('some text '), tokensPerFrame: 10 });
            expect((await bench.post({ ...ask, max_tokens: 2000 })).status).toBe(200);
            await until(async () => jobs().length === 2 && jobs()[1].session !== undefined);
            await until(() => job().running === 0 && job().unfinished.length === 0);
            bench.worker.onEnd = async (held) => {
                if (held.jobNumber === 0) await claimLast(bench.worker);
            };
            await bench.gateway.sweep();
            expect(job().phase).toBe('ended');
            expect(jobs()[1].phase).toBe('open');
        });

        it('opens one job ahead at a node that takes no new jobs now, however many answers follow', async () => {
            await start({ config: settings({ deposit: '11000000', openAhead: 0.9 }) });
            await bench.post(ask);
            [bench.worker.refuseJob, bench.worker.refuseJobStatus] = ['chain_down', 503];
            bench.worker.scripts.push({ frames: Array<string>(120).fill('some text '), tokensPerFrame: 10 });
            expect((await bench.post({ ...ask, max_tokens: 2000 })).status).toBe(200);
            await until(() => jobs().length === 2 && jobs()[1].phase === 'open');
            for (let time = 0; time < 5; time++) {
                expect((await bench.post(ask)).headers['x-cocoon-job']).toBe('0');
                await new Promise((resolve) => setTimeout(resolve, 100));
            }

            expect(jobs()).toHaveLength(2);
            bench.worker.refuseJob = undefined;
            await until(() => jobs()[1].session !== undefined);
        });

        it('a question that no job could pay opens none', async () => {
            await start({ config: settings({ deposit: '11000000' }) });
            const { status, body } = await bench.post({
                ...ask,
                messages: [{ role: 'user', content: 'x'.repeat(200_000) }],
            });
            expect(status).toBe(400);
            expect(body.error.message).toContain('job.deposit');
            expect(bench.chain.sent).toBe(0);
        });

        it('never asks more at once than the terms allow', async () => {
            await start();
            await bench.post(ask);
            let running = 0;
            let max = 0;
            const wait = async () => {
                max = Math.max(max, ++running);
                await new Promise((resolve) => setTimeout(resolve, 50));
                running--;
            };
            bench.worker.scripts.push(...Array.from({ length: 12 }, () => ({ frames: ['one'], wait })));
            const answers = await Promise.all(Array.from({ length: 12 }, () => bench.post(ask)));
            expect(answers.every(({ status }) => status === 200)).toBe(true);
            expect(max).toBeGreaterThan(1);
            expect(max).toBeLessThanOrEqual(4);
        });

        it('blames no node whose worker sees a channel later, when another question comes meanwhile', async () => {
            await start();
            bench.worker.refuseJob = 'wrong_channel';
            const first = bench.post(ask);
            await until(() => jobs().some(({ phase }) => phase === 'open'));
            const second = bench.post(ask);
            await until(() => bench.worker.refusedJobs > 1);
            bench.worker.refuseJob = undefined;

            expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200]);
            expect(jobs().map(({ phase }) => phase)).toEqual(['open']);
            expect((await bench.admin('status')).spoiled.today).toBe(0);
        });

        it('waits for a worker whose endpoints do not agree about a new channel yet', async () => {
            await start();
            Object.assign(bench.worker, { refuseJob: 'chain_down', refuseJobStatus: 503 });
            const asked = bench.post(ask);
            await until(() => bench.worker.refusedJobs > 0);
            bench.worker.refuseJob = undefined;

            expect((await asked).status).toBe(200);
            expect(jobs().map(({ phase }) => phase)).toEqual(['open']);
        });

        it('an order that the API lost is sent again, and opens one job', async () => {
            await start();
            let lost = 0;
            bench.chain.beforeSend = () => {
                if (lost++ === 0) throw new ChainError('the API is away');
            };
            expect((await bench.post(ask)).status).toBe(200);
            expect(await seqno()).toBe(1);
        });

        it('an order whose answer was lost opened its job all the same', async () => {
            await start();
            bench.chain.afterSend = () => {
                throw new ChainError('the connection broke');
            };
            expect((await bench.post(ask)).status).toBe(200);
            expect(await seqno()).toBe(1);
            expect(jobs()).toHaveLength(1);
        });

        it('takes the next seqno when another order was faster', async () => {
            await start();
            bench.chain.beforeSend = async () => {
                bench.chain.beforeSend = () => undefined;
                await market().openJob();
            };
            expect((await bench.post(ask)).status).toBe(200);
            expect(jobs().map(({ number, phase }) => [number, phase])).toEqual([
                [0, 'failed'],
                [4, 'open'],
            ]);
        });
    });

    describe('no money is 402, which SDKs do not repeat, with the remedy', () => {
        const refusal = async () => {
            const { status, body } = await bench.post(ask);
            expect(status).toBe(402);
            expect(body.error).toMatchObject({ type: 'insufficient_funds', code: 'insufficient_funds' });
            expect(bench.chain.sent).toBe(0);
            return body.error.message as string;
        };

        it('an escrow with too little says how much to deposit and where', async () => {
            await start({ config: settings({ deposit: '15000000000' }) });
            await market().escrow.sendWithdraw(market().owner.getSender(), {
                value: 100_000_000n,
                amount: 95_000_000_000n,
            });
            const message = await refusal();
            expect(message).toMatch(/ErrLowBalance.*deposit at least \d+\.\d+ TON to /);
            expect(message).toContain(market().escrow.address.toString());
        });

        it("a day's limit names itself", async () => {
            await start();
            await market().setUp({ dayLimit: 100_000_000n });
            expect(await refusal()).toMatch(/ErrOverDayLimit.*raises the day's limit/);
        });

        it('a job above the limit names both ways out', async () => {
            await start({ config: settings({ deposit: (JOB_LIMIT + 1n).toString() }) });
            expect(await refusal()).toMatch(/ErrOverJobLimit.*lower job.deposit/);
        });

        it('another spend key is named', async () => {
            await start();
            await market().setUp({ spendKey: testKey(9).publicKey });
            expect(await refusal()).toContain(testKey(1).publicKey.toString('hex'));
        });

        it('the chain refusing first says the same', async () => {
            await start();
            bench.chain.beforeSend = () => {
                throw new ChainError('exitcode=1021', 1021);
            };
            expect(await refusal()).toContain('ErrLowBalance');
        });
    });

    describe('which node', () => {
        it('refuses a node that attests nothing unless --allow-open', async () => {
            await start({ config: { attestation: {} } });
            const { status, body } = await bench.post(ask);
            expect(status).toBe(503);
            expect(body.error.message).toContain('--allow-open');
        });

        it('takes a measured node', async () => {
            const { policy, attest } = testMeasurement();
            await start({ config: { attestation: policy } });
            attest(bench.worker, market().now + 99);
            const { status, headers } = await bench.post(ask);
            expect(status).toBe(200);
            expect(headers['x-cocoon-tier']).toBe('testca');
        });

        it('checks the signatures of an attestation once, however many names a request prefers', async () => {
            const { policy, attest } = testMeasurement();
            await start({ config: { attestation: policy } });
            attest(bench.worker, market().now + 99);
            const verify = jest.spyOn(Verifier.prototype, 'verify');
            const order = Array.from({ length: 64 }, (_, i) => `http://nobody-${i}.example`);
            const { status } = await bench.post({ ...ask, provider: { order, allow_fallbacks: false } });
            const times = verify.mock.calls.length;
            verify.mockRestore();

            expect([status, times]).toEqual([400, 1]);
        });

        it.each([
            ['another network', { network: -3 }, 'network'],
            [
                'a longer notice',
                {
                    limits: {
                        minStep: 1n,
                        maxStep: 10n ** 18n,
                        maxParallel: 9,
                        maxAnswer: 9999,
                        minNotice: 7200,
                        minDeposit: 0n,
                    },
                },
                'notice',
            ],
            [
                'a larger deposit',
                {
                    limits: {
                        minStep: 1n,
                        maxStep: 10n ** 18n,
                        maxParallel: 9,
                        maxAnswer: 9999,
                        minNotice: 3600,
                        minDeposit: 1_000_000_001n,
                    },
                },
                'wants a deposit of 1000000001 nanoTON',
            ],
            ['no such model', { offers: [] }, 'does not offer'],
            [
                'a higher price',
                {
                    offers: [
                        {
                            model: MODEL,
                            rates: { prompt: 1n, cached: 1n, completion: 10n ** 12n, reasoning: 1n },
                            features: [],
                        },
                    ],
                },
                'maxPrice',
            ],
        ])('refuses a node with %s, and says so', async (_, change, words) => {
            await start();
            bench.worker.info = (info) => ({ ...info, ...change });
            const { status, body, headers } = await bench.post(ask);
            expect(status).toBe(503);
            expect(body.error.message).toContain(words);
            expect(headers['retry-after']).toBeDefined();
            expect(bench.chain.sent).toBe(0);
        });

        it('refuses a node that the chain does not bear out', async () => {
            await start({ deps: { checks: { objection: async () => 'its keys are not those on chain' } } });
            expect((await bench.post(ask)).body.error.message).toContain('not those on chain');
        });
    });

    describe('a worker that goes down', () => {
        it('before the first byte: another node answers, and nothing is billed twice', async () => {
            await start({ workers: 2 });
            await bench.post(ask);
            const first = bench.workers.find(({ jobs: held }) => held.size > 0)!;
            const second = bench.workers.find((one) => one !== first)!;
            first.scripts.push({ cut: 'before accept' });
            const { status, headers } = await bench.post(ask);

            expect(status).toBe(200);
            expect(headers['x-cocoon-job']).toBe('4');
            await until(() => second.only.vouchers.at(-1)?.cumulative === 3020n);
            await until(() => job().unfinished.length === 0);
            expect(first.only.vouchers.at(-1)!.cumulative).toBe(3020n);
        });

        it('before the first byte, and there is no other: 503 with a time to come back', async () => {
            await start();
            await bench.post(ask);
            await bench.worker.stop();
            const { status, headers, body } = await bench.post(ask);

            expect(status).toBe(503);
            expect(headers['retry-after']).toBeDefined();
            expect(body.error.message).not.toContain('Say hello');
            await bench.worker.start();
            expect((await bench.post(ask)).status).toBe(200);
            expect(jobs()).toHaveLength(1);
        });

        it('after the first byte: a stream ends with an error event, what arrived is paid once', async () => {
            await start({ workers: 2 });
            await bench.post(ask);
            const used = bench.workers.find(({ jobs: held }) => held.size > 0)!;
            const other = bench.workers.find((one) => one !== used)!;
            used.scripts.push({ frames: ['one ', 'two ', 'three '], cut: 2 });
            const { body } = await bench.post({ ...ask, stream: true });

            expect(body).toContain('one ');
            expect(body).toContain('"error"');
            expect(body).not.toContain('[DONE]');
            await until(
                () => used.only.vouchers.at(-1)!.cumulative === used.only.cumulative && job().unfinished.length === 0,
            );
            expect(used.only.cumulative).toBe(3020n + 3020n);
            expect(other.asked).toHaveLength(0);
        });

        it('after the first byte without a stream: what arrived, with the finish reason error', async () => {
            await start();
            await bench.post(ask);
            bench.worker.scripts.push({ frames: ['one ', 'two ', 'three '], cut: 2 });
            const { status, body } = await bench.post(ask);
            expect(status).toBe(200);
            expect(body.choices[0]).toMatchObject({ message: { content: 'one two ' }, finish_reason: 'error' });
        });

        it('an answer that the node cut is no whole answer', async () => {
            await start();
            bench.worker.scripts.push({ finish: Finish.CutByBackend });
            const { body } = await bench.post(ask);
            expect(body).toMatchObject({ choices: [{ finish_reason: 'error' }], error: { code: 'answer_cut' } });
            await until(() => bench.worker.only.vouchers.at(-1)?.cumulative === 3020n);
        });
    });

    describe('a node that says no', () => {
        it.each([
            [Reason.StepTooSmall, 400],
            [Reason.TooLarge, 400],
            [Reason.TooBusy, 503],
            [Reason.BackendDown, 503],
        ])('a decline for reason %s is answered with %s and costs nothing', async (reason, expected) => {
            await start();
            bench.worker.scripts.push({ decline: reason });
            expect((await bench.post(ask)).status).toBe(expected);
            expect(job().ledger.total).toBe(0n);
        });

        it('a fail before anything was delivered goes to another node', async () => {
            await start({ workers: 2 });
            bench.workers.forEach((worker) => worker.scripts.push({ failAtOnce: Reason.BackendDown }, {}));
            bench.workers[1].scripts.length = 0;
            bench.workers[0].info = (info) => ({
                ...info,
                offers: info.offers.map((offer) => ({ ...offer, rates: { ...offer.rates, prompt: 1n } })),
            });
            expect((await bench.post(ask)).status).toBe(200);
            expect(jobs()).toHaveLength(2);
        });

        it('an unknown session is begun again', async () => {
            await start();
            await bench.post(ask);
            bench.worker.only.sessions.clear();
            expect((await bench.post(ask)).status).toBe(200);
            expect(jobs()).toHaveLength(1);
        });
    });

    describe('ending', () => {
        it('settle: the worker is paid, the rest is home, the account is gone', async () => {
            await start();
            await bench.post(ask);
            bench.worker.onEnd = () => claimLast(bench.worker);
            const before = await market().balanceOf(market().escrow);
            await bench.gateway.closing.settle(job());

            expect(job().phase).toBe('ended');
            expect(await market().isGone({ address: job().channel })).toBe(true);
            expect((await market().balanceOf(market().escrow)) - before).toBeGreaterThan(990_000_000n);
        });

        it('settle: a worker that is paid all and does not end the account is left, and not waited for until the end', async () => {
            await start();
            await bench.post(ask);
            bench.worker.onEnd = () => claimLast(bench.worker, false);
            await bench.gateway.closing.settle(job());
            expect(job().phase).toBe('settled');

            market().blockchain.now = market().now + SETTLE_SECONDS;
            await bench.gateway.sweep();

            expect(job().phase).toBe('leaving');
            market().blockchain.now = market().now + HOUR;
            await bench.gateway.sweep();
            expect(job().phase).toBe('ended');
        });

        it('settle: a job that is worth less than its claim is left at once, and says when its balance comes back', async () => {
            await start();
            await bench.post(ask);
            bench.worker.claims = false;
            await bench.gateway.closing.settle(job());

            expect(job().phase).toBe('leaving');
            expect(job().stored.note).toContain(
                'than a claim costs: the remaining balance comes back after the notice',
            );
            await expect(bench.gateway.closing.settle(job())).rejects.toMatchObject({
                status: 409,
                message: expect.stringContaining(
                    'its remaining balance comes back by itself after the notice',
                ) as string,
            });
        });

        it('what is gone already is settled, left and refunded without an order', async () => {
            await start();
            await bench.post(ask);
            bench.worker.onEnd = () => claimLast(bench.worker);
            await bench.gateway.closing.settle(job());
            const orders = await seqno();

            await bench.gateway.closing.settle(job());
            await bench.gateway.closing.leave(job());
            await bench.gateway.closing.refund(job());

            expect([job().phase, await seqno()]).toEqual(['ended', orders]);
        });

        it('settle: a worker that says it claims and does not is no success, and ends in bounded time', async () => {
            await start();
            await bench.post(ask);
            const { url } = bench.gateway;
            const headers = { ...adminHeaders(url), 'content-type': 'application/json' };
            const response = await fetch(`${url}/admin/jobs/0/settle`, { method: 'POST', headers, body: '{}' });

            expect(response.status).toBe(504);
            expect(await response.text()).toContain('the chain does not show it yet: ask again');
            expect(job().phase).toBe('settling');
        });

        it.each([
            { end: 'settle', phase: 'settling', says: 'job 0 is settling, which goes on by itself' },
            { end: 'leave', phase: 'leaving', says: 'job 0 is leaving, which goes on by itself' },
            { end: 'refund', phase: 'open', says: 'ask again. If it stays so, look at "endpoint"' },
        ])('$end while the chain is down says so, and what to do', async ({ end, phase, says }) => {
            await start();
            await bench.post(ask);
            jest.spyOn(bench.chain, 'account').mockRejectedValue(new ChainError('the API is away'));
            const { url } = bench.gateway;
            const headers = { ...adminHeaders(url), 'content-type': 'application/json' };
            const response = await fetch(`${url}/admin/jobs/0/${end}`, { method: 'POST', headers, body: '{}' });

            const { error } = (await response.json()) as { error: { code: string; message: string } };
            expect([response.status, error.code, job().phase]).toEqual([503, 'chain', phase]);
            expect(error.message).toContain(says);
        });

        it('leave and refund work without the worker, refund only after the notice', async () => {
            await start();
            await bench.post(ask);
            await bench.worker.stop();
            await bench.gateway.closing.leave(job());
            await expect(bench.gateway.closing.refund(job())).rejects.toMatchObject({
                status: 409,
                code: 'too_early',
            });

            market().blockchain.now = market().now + HOUR;
            await bench.gateway.closing.refund(job());
            expect(job().phase).toBe('ended');
            expect(await market().isGone({ address: job().channel })).toBe(true);
        });

        it('a job that was left is refunded by itself when its time has come', async () => {
            await start();
            await bench.post(ask);
            await bench.gateway.closing.leave(job());
            market().blockchain.now = market().now + HOUR;
            await bench.gateway.sweep();
            expect(job().phase).toBe('ended');
        });
    });
});
