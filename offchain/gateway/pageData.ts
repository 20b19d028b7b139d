/** What the local page shows, as one JSON value. It has no secret, no prompt and no answer. */
import { isTestOnly } from '@cocoon-market/wrappers';
import { setTimeout as sleep } from 'node:timers/promises';
import { toWire } from '../link';
import { reasonOf } from '../process/errors';
import { SingleFlight } from '../process/tasks';
import type { StoredApiKey } from '../store/people';
import { viewOf } from './admin';
import type { Answers } from './answers';
import type { JobBook } from './book';
import type { Catalogue } from './catalogue';
import type { GatewayContext } from './context';
import type { Purse } from './escrow';
import { fundsOf, moneyView } from './moneyView';
import type { UsageView } from './views';

const DAYS = 30; // of usage
const MAX_JOBS = 100; // the newest
const FRESH_SECONDS = 15; // before the escrow is read again
const WAIT_MS = 1500; // for the chain

const EMPTY: Purse = {
    ...{ balance: 0n, available: 0n, dayRemaining: 0n, dayLimit: 0n, daySpent: 0n, jobLimit: 0n, seqno: 0 },
};

export interface PageParts {
    book: JobBook;
    answers: Answers;
    catalogue: Pick<Catalogue, 'views'>;
}

export class PageData {
    private last: { purse: Purse; at: number; jobs: string } | undefined;
    private failure: string | undefined; // of the last reading
    private readonly flight = new SingleFlight<'', void>();

    constructor(
        private readonly context: Pick<
            GatewayContext,
            'network' | 'escrow' | 'nodes' | 'people' | 'setbacks' | 'activity' | 'store' | 'now'
        >,
        private readonly parts: PageParts,
        private readonly waitMs = WAIT_MS,
    ) {}

    /**
     * Everything for the owner. For the holder of a key: usage, requests and errors of that key, and its budget;
     * balance, jobs and nodes are those of the gateway.
     */
    async view(key: StoredApiKey | undefined): Promise<unknown> {
        const { book, answers } = this.parts;
        const { network, escrow, people, setbacks, activity, now } = this.context;
        const [money, models, usage] = await Promise.all([this.money(), this.models(), this.usage(key?.name)]);
        const jobs = [...book.all].reverse();
        const budgets = key && (await people.budgets.viewsOfAll(key));
        return toWire({
            at: now(),
            key: key?.name ?? null,
            escrow: escrow.name,
            network,
            money,
            budgets: budgets ?? null,
            jobs: jobs.slice(0, MAX_JOBS).map((job) => viewOf(job, { testOnly: isTestOnly(network) })),
            jobCount: Object.values(book.phases).reduce((sum, count) => sum + count, 0),
            spoiled: setbacks.view(),
            models,
            usage,
            requests: { since: activity.since, running: answers.count, ...activity.requests(key?.name) },
            errors: activity.errors(key?.name).map((error) => ({ ...error, model: error.model ?? null })),
        });
    }

    private async money() {
        await Promise.race([
            this.flight.run('', () => this.readEscrow()),
            sleep(this.waitMs, undefined, { ref: false }),
        ]);
        const { purse, at } = this.last ?? {};
        const jobs = fundsOf(this.parts.book, await this.context.store.unendedOfOthers());
        const { inJobs, returning, paid, reserve, dayResetsAt } = moneyView(purse ?? EMPTY, jobs, this.context.now());
        const ofEscrow = purse && { ...purse, reserve, readAt: at };
        return { inJobs, returning, paid, dayResetsAt, escrow: ofEscrow ?? null, problem: this.failure ?? null };
    }

    private async readEscrow(): Promise<void> {
        const { escrow, now } = this.context;
        // Each change of a job moves money, so what was read before it does not fit the jobs.
        const jobs = this.parts.book.all.map(({ number, phase }) => `${number} ${phase}`).join();
        const { last, failure } = this;
        if (failure === undefined && last?.jobs === jobs && now() - last.at < FRESH_SECONDS) {
            return;
        }
        try {
            this.last = { purse: await escrow.purse(), at: now(), jobs };
            this.failure = undefined;
        } catch (error) {
            this.failure = reasonOf(error);
        }
    }

    private async models() {
        const { stats } = this.context.nodes;
        return (await this.parts.catalogue.views()).map(({ model, checkedAt, workers }) => ({
            model,
            checkedAt: checkedAt ?? null,
            nodes: workers.map(({ offer, ...worker }) => {
                const { delay, speed } = stats.of(worker.worker);
                return {
                    ...{ ...worker, tier: offer?.tier ?? null, rates: offer?.rates ?? null },
                    ...{ context: offer?.context ?? null, features: offer?.features ?? [] },
                    ...{ firstTokenMs: delay === undefined ? null : delay * 1000, tokensPerSecond: speed ?? null },
                };
            }),
        }));
    }

    private async usage(key: string | undefined) {
        // Of one key no others are read: its holder may ask as often as it likes.
        const rows = await this.context.people.usage.by(['day', 'model', 'key'], DAYS, key);
        return {
            days: DAYS,
            byDay: sumsOf(rows, 'day').sort((a, b) => (a.name < b.name ? -1 : 1)),
            byModel: sumsOf(rows, 'model').sort(dearestFirst),
            byKey: sumsOf(rows, 'key').sort(dearestFirst),
        };
    }
}

interface Sum {
    name: string;
    cost: bigint; // nanoTON
    queries: number;
    tokens: number;
}

const dearestFirst = (a: Sum, b: Sum): number => (a.cost > b.cost ? -1 : a.cost < b.cost ? 1 : 0);

function sumsOf(rows: UsageView[], group: 'day' | 'model' | 'key'): Sum[] {
    const sums = new Map<string, Sum>();
    for (const { queries, prompt, cached, completion, reasoning, cost, ...row } of rows) {
        const name = row[group] ?? '';
        const sum = sums.get(name) ?? { name, cost: 0n, queries: 0, tokens: 0 };
        sum.cost += BigInt(cost);
        sum.queries += queries;
        sum.tokens += prompt + cached + completion + reasoning;
        sums.set(name, sum);
    }
    return [...sums.values()];
}
