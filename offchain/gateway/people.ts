/** Who uses this gateway: the API keys, what each may still spend, and what was used. */
import type { PeopleStore, StoredApiKey } from '../store/people';
import { ApiKeys } from './apiKeys';
import { Budgets } from './budgets';
import { Openings } from './openings';
import { UsageReader } from './usage';

/** What pays a query: a key whose budget reserves what the query may cost. */
export interface Payer {
    readonly name: string;
    /** Throws 402 if the key has nothing left. */
    requireSome(): Promise<void>;
    /** Throws 402 if a limit of the key does not allow it. */
    reserve(query: { job: number; number: number; ceiling: bigint; askedAt: number }): Promise<void>;
    /**
     * Compares the limits, as another process may have set them meanwhile, with what other processes reserved, once the
     * query is stored and before it is sent. Throws 402 if it exceeds one, 401 if the key is revoked.
     */
    confirm(query: { askedAt: number }): Promise<void>;
    /** Reserves what a waiting request may cost, until the returned function is called. Throws 402. */
    hold(ceiling: bigint): Promise<() => void>;
}

export class People {
    private constructor(
        readonly apiKeys: ApiKeys,
        readonly budgets: Budgets,
        readonly openings: Openings,
        readonly usage: UsageReader,
    ) {}

    static async load(store: PeopleStore, now: () => number): Promise<People> {
        const [apiKeys, budgets] = [await ApiKeys.load(store, now), await Budgets.load(store, now)];
        return new People(apiKeys, budgets, new Openings(apiKeys, budgets, now), new UsageReader(store, now));
    }

    /** The payer of a request. Limits that change meanwhile hold for it, too. */
    payerOf(key: StoredApiKey): Payer {
        const { name } = key;
        const current = () => this.apiKeys.current(key);
        return {
            name,
            requireSome: () => this.budgets.checked(key, () => this.budgets.requireSome(current())),
            reserve: (query) => this.budgets.checked(key, () => this.budgets.reserve(current(), query)),
            confirm: async (query) => this.budgets.confirm(await this.apiKeys.stored(key), query),
            hold: (ceiling) => this.budgets.checked(key, () => this.budgets.hold(current(), ceiling)),
        };
    }
}
