/**
 * The states of the model of docs/protocol.md: one job, its queries one after the other, and what gateway, worker,
 * wire and chain have of them. A state is plain data: nothing in it is undefined, so its text names it.
 */

/** All money of the model is in fortieths of a step, so that every threshold of the rules is a whole number. */
export const STEP = 40;
export const PROMPT = 20; // rule 2: the price of a prompt is at most S/2
export const FRAME = 4; // rule 4: a frame costs at most S/10
export const COMMIT = 5; // rule 4: S/8
export const PAY = 10; // rule 7: S/4
const MAX_DROPPED = 8 * STEP; // rule 5

/** The price of a prompt and so many frames. */
export const priceOf = (frames: number): number => (frames === 0 ? 0 : PROMPT + FRAME * frames);

export interface Voucher {
    cumulative: number;
    count: number;
}

/** What the worker signs as the end of a query. Index, price, cumulative and frames are 0 unless it is a result. */
export interface Ending {
    kind: 'result' | 'fail' | 'decline';
    index: number;
    price: number;
    cumulative: number;
    frames: number; // that the result covers
    isWhole: boolean; // the answer came to its own end
}

export interface WorkerStore {
    queries: ({ stored: number; ending: Ending | null } | null)[]; // by number - 1; frames on the disk
    index: number; // of the newest result
    cumulative: number;
    voucher: Voucher;
    receipts: number; // that were signed
    isPoor: boolean; // the channel, as it was last read
    isRetired: boolean; // its receipt key
}

/** A query that the worker answers. */
export interface Running {
    number: number;
    sent: number; // frames
    committed: number; // price of what is on the disk, which meters may show
    meter: number; // of the last frame
    isStarted: boolean; // the model runs
    isWaiting: boolean; // for a voucher
}

export type GatewayPhase = 'open' | 'result' | 'fail' | 'decline' | 'void' | 'refused';

export interface GatewayStore {
    queries: ({ phase: GatewayPhase; ending: Ending | null } | null)[]; // by number - 1
    voucher: Voucher;
    job: 'open' | 'settling' | 'leaving' | 'ended';
}

/** A record of an answer; `refused` and `closed` end the connection without one. */
export type WireRecord =
    | { kind: 'accept' }
    | { kind: 'frame' | 'meter' | 'final'; meter: number }
    | { kind: 'ending'; ending: Ending }
    | { kind: 'refused'; code: 'unknown_session' | 'internal' | 'wrong_terms' | 'bad_voucher' }
    | { kind: 'closed' };

/** What the chain's API says to the worker: the truth, no such job, too little money, or an earlier state. */
export type Word = 'truth' | 'absent' | 'poor' | 'old';

export interface State {
    worker: {
        store: WorkerStore;
        backup: WorkerStore | null;
        mark: number; // beside the key file: how many receipts the key has signed
        isUp: boolean;
        boot: number; // counts its processes
        running: Running | null;
        dropped: number; // rule 5: the cost of prompts of dropped queries
    };
    gateway: {
        store: GatewayStore;
        backup: GatewayStore | null;
        isUp: boolean;
        session: number; // boot of the worker's process; 0: none
        highest: number; // query number
        meters: number[]; // by number - 1, of queries without a price
        live: number; // the query whose connection is open; 0: none
        attempt: number; // of the question that is asked
        isDue: boolean; // a voucher is to be signed or posted
        post: Voucher | null; // on its way to the worker
        delivered: Voucher; // the worker has confirmed it
        failures: number; // in a row, after meters were paid
        hasConnected: boolean; // since its start; no ending is fetched before
        isComplete: boolean; // it is known that every result of the worker is here
        isStopped: boolean; // another signer is known, so nothing is signed
    };
    wire: {
        query: { number: number; session: number; voucher: Voucher } | null;
        records: WireRecord[];
    };
    chain: { paid: number; word: Word; isClosed: boolean; isLeaving: boolean };
    /** What an observer of everything knows; no party does. */
    seen: {
        arrived: number[]; // frames that arrived while their query ran, by number - 1
        acknowledged: number; // the largest cumulative that the worker has acknowledged
        signed: { number: number; ending: Ending }[]; // by the receipt key, over all restores
        fault: string; // what must not happen and has; '' if nothing
        isRestored: boolean; // the worker
        isGatewayRestored: boolean;
        hasLeft: boolean; // the client, by its own wish
    };
    used: { kills: number; losses: number; restores: number; lies: number; forgeries: number };
}

/** How far a search goes, and who may break the rules. */
export interface Scope {
    queries: number;
    frames: number; // of each answer
    kills: number;
    losses: number; // of messages and connections
    restores: number;
    lies: number; // of the chain
    forgeries: number;
    hostile: 'nobody' | 'gateway' | 'worker';
    startSteps: number; // rule 5
    hasEnds: boolean; // the client may settle or leave at any time
    hasPatience: boolean; // a worker that waits may cut the query at any time
}

const NONE: Voucher = { cumulative: 0, count: 0 };

/** A job that is open and shown to its worker. */
export function firstState(): State {
    return {
        worker: {
            store: {
                queries: [],
                index: 0,
                cumulative: 0,
                voucher: NONE,
                receipts: 0,
                isPoor: false,
                isRetired: false,
            },
            backup: null,
            mark: 0,
            isUp: true,
            boot: 1,
            running: null,
            dropped: 0,
        },
        gateway: {
            store: { queries: [], voucher: NONE, job: 'open' },
            backup: null,
            isUp: true,
            ...memoryOf([]),
            session: 1,
            hasConnected: true,
            isComplete: true,
        },
        wire: { query: null, records: [] },
        chain: { paid: 0, word: 'truth', isClosed: false, isLeaving: false },
        seen: {
            arrived: [],
            acknowledged: 0,
            signed: [],
            fault: '',
            isRestored: false,
            isGatewayRestored: false,
            hasLeft: false,
        },
        used: { kills: 0, losses: 0, restores: 0, lies: 0, forgeries: 0 },
    };
}

/** What a gateway has in memory when it starts. */
export function memoryOf(queries: GatewayStore['queries']) {
    return {
        session: 0,
        highest: queries.length,
        meters: [] as number[],
        live: 0,
        attempt: 0,
        isDue: false,
        post: null,
        delivered: NONE,
        failures: 0,
        hasConnected: false,
        isComplete: false,
        isStopped: false,
    };
}

/** A copy that shares nothing with the original. */
export function copy<T>(value: T): T {
    if (Array.isArray(value)) {
        return value.map(copy) as T;
    }
    if (typeof value !== 'object' || value === null) {
        return value;
    }
    const made: Record<string, unknown> = {};
    for (const key in value) {
        made[key] = copy(value[key]);
    }
    return made as T;
}

export const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** True when a voucher says more than another, and in nothing less. */
export const saysMore = (one: Voucher, other: Voucher): boolean =>
    one.cumulative >= other.cumulative && one.count >= other.count && !isSame(one, other);

/** Rule 8: the newest voucher counts results that the store does not contain. */
export const isStale = ({ voucher, index }: WorkerStore): boolean => voucher.count > index;

/** Rule 5: the model of another query may run, by the credit of the client and by that of the job. */
export function mayStart({ worker: { store, dropped } }: State, { startSteps }: Scope): boolean {
    const { cumulative: paid } = store.voucher;
    const owed = Math.max(0, store.cumulative - paid);
    const ofClient = owed + dropped + STEP <= startSteps * STEP + paid && dropped <= MAX_DROPPED;
    return ofClient && store.cumulative + PROMPT - paid <= STEP;
}
