/** What the command line asks of a running gateway: lists, and the ends of jobs. State changes only by POST. */
import { isTestOnly } from '@cocoon-market/wrappers';
import { FastifyInstance } from 'fastify';
import { ChainError } from '../chain/errors';
import { Opening, termsToWire, toWire } from '../link';
import type { StoredJob } from '../store/gateway';
import { ADMIN_HEADER, AdminToken } from './adminToken';
import { chainDown, GatewayError } from './errors';
import { evidenceIn } from './evidence';
import type { JobBook } from './book';
import type { Closing } from './closing';
import type { GatewayContext } from './context';
import type { GatewayJob } from './job';
import { reportOf } from './receipts';
import { matchNodes } from './matching';
import { requireLocal } from './server';
import { fundsOf, moneyView } from './moneyView';
import { addPeopleAdmin } from './peopleAdmin';
import type { JobView, StatusView } from './views';

const ADVICE = 'Admin paths are for the user who runs this gateway: "cocoon gateway …" has its token';

const notYet = (job: number) =>
    `The worker was asked to end job ${job}, and the chain does not show it yet: ask again. What the worker does not end in ` +
    '15 minutes is left without it, and its remaining balance comes back after the notice';

const goingOn = ({ number, phase }: GatewayJob) =>
    `job ${number} is ${phase}, which goes on by itself when the TON API answers. "cocoon gateway jobs" shows it`;

const isOf = (number: number) => (job: StoredJob) => job.member === number;

/** A job for a list. */
export function viewOf(job: GatewayJob, { testOnly }: { testOnly: boolean }): JobView {
    const { stored, ledger } = job;
    return {
        job: job.number,
        phase: job.phase,
        model: stored.model,
        worker: stored.worker,
        tier: stored.tier,
        channel: job.channel.toString({ testOnly }),
        deposit: stored.deposit.toString(),
        available: job.phase === 'open' ? job.available.toString() : '0',
        owed: ledger.total.toString(),
        paid: ledger.voucher.cumulative.toString(),
        results: ledger.verified,
        running: job.running,
        unfinished: job.unfinished,
        end: job.terms.end,
        connected: job.session !== undefined,
        note: stored.note,
    };
}

/** Adds `/admin/…` to the server. */
export function addAdmin(
    server: FastifyInstance,
    context: GatewayContext,
    { book, closing, token }: { book: JobBook; closing: Closing; token: AdminToken },
): void {
    const { network, escrow, keys, nodes, config, setbacks, store, people } = context;

    const find = async (text: string): Promise<GatewayJob> => {
        const number = Number(text);
        const job = book.get(number);
        if (job !== undefined) {
            return job;
        }
        const member = (await store.job(number))?.member;
        const other = (await store.cluster.members()).find((one) => one.number === member);
        if (other !== undefined && other.number !== store.cluster.number) {
            const name = `process ${other.number} of this gateway (${[other.holder, other.url ?? []].flat().join(', ')})`;
            throw new GatewayError(409, 'other_process', `Job ${number} is in the hands of ${name}: ask that one`);
        }
        const message = `There is no job ${number}: "cocoon gateway jobs" lists them`;
        throw new GatewayError(404, 'unknown_job', message);
    };
    const processesOf = async (others: StoredJob[]): Promise<StatusView['processes']> =>
        (await store.cluster.members()).map(({ number, holder, url }) => {
            const isOwn = number === store.cluster.number;
            const jobs = isOwn ? book.all.filter(({ phase }) => phase !== 'ended') : others.filter(isOf(number));
            return { number, holder, url: url ?? null, jobs: jobs.length };
        });
    const view = (job: GatewayJob) => viewOf(job, { testOnly: isTestOnly(network) });
    const ends = {
        settle: async (job: GatewayJob) => {
            if ((await closing.settle(job)) === 'settling') {
                throw new GatewayError(504, 'not_yet', notYet(job.number));
            }
        },
        leave: (job: GatewayJob) => closing.leave(job),
        refund: (job: GatewayJob) => closing.refund(job),
    };
    const openingOf = async (job: number, number: number): Promise<Opening> => {
        const [stored, whole] = [await store.job(job), await store.wholeQuery(job, number)];
        if (stored === undefined || whole === undefined) {
            const remedy = 'queries with a result are stored whole for "keepHours" of the configuration';
            throw new GatewayError(404, 'not_stored', `Query ${number} of job ${job} is not stored: ${remedy}`);
        }
        const terms = termsToWire(stored.terms);
        return { version: 'cocoon-market opening 1', network, channel: stored.channel, terms, number, ...whole };
    };

    server.register(async (admin) => {
        admin.addHook('onRequest', async (request) => {
            requireLocal(request);
            if (!token.matches(request.headers[ADMIN_HEADER])) {
                throw new GatewayError(403, 'no_token', ADVICE);
            }
        });
        admin.get<{ Params: { id: string } }>('/admin/receipt/:id', async ({ params }) => {
            const report = reportOf(store, network, params.id);
            return toWire(
                await report.catch((error: Error) => {
                    throw new GatewayError(404, 'unknown_receipt', error.message);
                }),
            );
        });
        admin.get('/admin/jobs', async () => book.all.map(view));
        admin.get('/admin/status', async (): Promise<StatusView> => {
            const purse = await escrow.purse();
            const others = await store.unendedOfOthers();
            const models = await Promise.all(
                Object.keys(config.models).map(async (model) => ({ model, nodes: await nodes.states(model) })),
            );
            return {
                escrow: escrow.name,
                network,
                spendKey: keys.spend.publicKey.toString('hex'),
                balance: purse.balance.toString(),
                available: purse.available.toString(),
                dayRemaining: purse.dayRemaining.toString(),
                jobLimit: purse.jobLimit.toString(),
                money: moneyView(purse, fundsOf(book, others), context.now()),
                models,
                jobs: book.phases,
                process: store.cluster.number,
                processes: await processesOf(others),
                spoiled: setbacks.view(),
                clockOffset: escrow.clock.offset ?? null,
            };
        });
        addPeopleAdmin(admin, people);
        admin.get<{ Querystring: { model?: string } }>('/admin/nodes', async ({ query: { model } }) => {
            if (model !== undefined && !Object.hasOwn(config.models, model)) {
                const message = `"${model}" is not in models of the configuration: ${Object.keys(config.models).join(', ')}`;
                throw new GatewayError(404, 'model_not_found', message);
            }
            const models = model === undefined ? Object.keys(config.models) : [model];
            return (await Promise.all(models.map((one) => matchNodes(context, book, one)))).flat();
        });
        admin.get('/admin/evidence', async () => toWire(await evidenceIn(store)));
        admin.get<{ Params: { job: string; number: string } }>(
            '/admin/jobs/:job/queries/:number/opening',
            async ({ params }) => toWire(await openingOf(Number(params.job), Number(params.number))),
        );
        for (const [name, end] of Object.entries(ends)) {
            admin.post<{ Params: { job: string } }>(`/admin/jobs/:job/${name}`, async ({ params }) => {
                const job = await find(params.job);
                await end(job).catch((error: unknown) => {
                    const goesOn = ['settling', 'leaving'].includes(job.phase);
                    throw error instanceof ChainError && goesOn ? chainDown(goingOn(job)) : error;
                });
                return view(job);
            });
        }
    });
}
