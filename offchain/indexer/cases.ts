/** Cases and slashes, from the histories of the providers. */
import { faultClassOf } from '@cocoon-market/wrappers';
import { by } from './order';
import { factsInRole, type StoredFact } from './reading';
import type { IndexData } from './store';

export interface MarketCase {
    dispute: string;
    provider: string;
    node: number;
    faultClass: string; // such as A1
    job: string; // hash in the receipts, hex
    query: number;
    date: number; // of the receipt, unix seconds
    openedAt: number;
    amount: bigint; // frozen
    bond: bigint;
    endedAt: number | null;
    outcome: string | null;
}

export interface MarketSlash {
    provider: string;
    lt: bigint;
    at: number;
    node: number;
    faultClass: string;
    job: string;
    amount: bigint;
    victim: bigint;
    reward: bigint;
    insurance: bigint;
}

const OUTCOMES = ['innocent', 'guilty', 'draw', 'duplicate'];

export interface Faults {
    cases: MarketCase[];
    slashes: MarketSlash[];
    lastAt: number; // of any fact of a provider
}

export async function readFaults(store: IndexData): Promise<Faults> {
    const [cases, slashes] = [new Map<string, MarketCase>(), [] as MarketSlash[]];
    let lastAt = 0;
    for await (const fact of factsInRole(store, 'provider')) {
        lastAt = Math.max(lastAt, fact.at);
        const provider = fact.log.slice('provider/'.length);
        if (fact.kind === 'case') {
            cases.set(fact.subject, caseOf(provider, fact));
        } else if (fact.kind === 'caseEnd') {
            const open = cases.get(fact.subject);
            const outcome = OUTCOMES[fact.body.outcome as number];
            if (open !== undefined && outcome !== 'duplicate') {
                Object.assign(open, { endedAt: fact.at, outcome });
            }
        } else if (fact.kind === 'slash') {
            slashes.push(slashOf(provider, fact));
        }
    }
    return { cases: [...cases.values()].sort(by('dispute')), slashes, lastAt };
}

function caseOf(provider: string, { subject, at, body }: StoredFact): MarketCase {
    const { node, job, query, date } = body as { node: number; job: string; query: number; date: number };
    return {
        ...{ dispute: subject, provider, node, faultClass: className(body), job, query, date, openedAt: at },
        ...{ amount: BigInt(body.amount as string), bond: BigInt(body.bond as string), endedAt: null, outcome: null },
    };
}

function slashOf(provider: string, { lt, at, body }: StoredFact): MarketSlash {
    const { node, job, ...rest } = body as { node: number; job: string } & Record<string, string>;
    const [victim, reward, insurance] = [rest.victim, rest.reward, rest.insurance].map(BigInt);
    const amounts = { amount: BigInt(rest.amount), victim, reward, insurance };
    return { provider, lt, at, node, faultClass: className(body), job, ...amounts };
}

const className = ({ faultClass }: StoredFact['body']): string =>
    faultClassOf(BigInt(faultClass as number)) ?? String(faultClass);
