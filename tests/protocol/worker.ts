/** The honest worker of the model. Each function is one step: it commits, and its messages are on the wire. */
import {
    COMMIT,
    type Ending,
    FRAME,
    isSame,
    isStale,
    mayStart,
    priceOf,
    PROMPT,
    saysMore,
    type Scope,
    type State,
    STEP,
    type Voucher,
} from './state';

const UNANSWERED = { index: 0, price: 0, cumulative: 0, frames: 0, isWhole: false };
export const FAIL: Ending = { kind: 'fail', ...UNANSWERED };
const DECLINE: Ending = { kind: 'decline', ...UNANSWERED };

/** The price of everything sent, the prompt from the moment when the model runs. */
export function sentPrice({ worker: { running } }: State): number {
    return running?.isStarted === true ? PROMPT + FRAME * running.sent : 0;
}

/** Rules 2 and 3: decides on the query that arrived. */
export function admit(state: State, scope: Scope, { bare = false } = {}): void {
    const { worker, wire, chain } = state;
    const { number, session, voucher } = wire.query!;
    wire.query = null;
    if (session !== worker.boot) {
        wire.records.push({ kind: 'refused', code: 'unknown_session' });
        return;
    }
    if (chain.word === 'absent' || chain.isClosed) {
        wire.records.push({ kind: 'refused', code: 'internal' });
        return;
    }
    readChannel(state);
    if (!bare) {
        takeVoucher(state, scope, voucher);
    }
    if (isStale(worker.store)) {
        wire.records.push({ kind: 'refused', code: 'wrong_terms' });
        return;
    }
    if (worker.store.isPoor) {
        sign(state, number, DECLINE);
        wire.records.push({ kind: 'ending', ending: DECLINE });
        return;
    }
    putQuery(state, number, { stored: 0, ending: null });
    countReceipt(state);
    const isStarted = mayStart(state, scope);
    worker.running = { number, sent: 0, committed: 0, meter: 0, isStarted, isWaiting: false };
    wire.records.push({ kind: 'accept' });
}

/** What the chain shows now is stored. An earlier state than the stored one changes nothing. */
export function readChannel({ worker: { store }, chain: { word } }: State): void {
    store.isPoor = word === 'poor' || (store.isPoor && word !== 'truth');
}

/** Rules 4 and 5: the backend gives the next piece, or the end. */
export function goOn(state: State, scope: Scope): void {
    const running = state.worker.running!;
    if (running.sent === scope.frames) {
        end(state, { isWhole: true, isConnected: true });
        return;
    }
    const uncommitted = running.sent === 0 ? 0 : priceOf(running.sent) - running.committed;
    if (uncommitted + FRAME > COMMIT) {
        commit(state);
    }
    if (maySend(state)) {
        sendFrame(state);
        return;
    }
    commit(state);
    if (running.meter !== running.committed && running.sent > 0) {
        running.meter = running.committed;
        state.wire.records.push({ kind: 'meter', meter: running.meter });
    }
    running.isWaiting = true;
}

// Rule 5, with one query that runs.
function maySend(state: State): boolean {
    const { cumulative, voucher } = state.worker.store;
    return cumulative + sentPrice(state) + FRAME - voucher.cumulative <= STEP;
}

function sendFrame({ worker, wire }: State): void {
    const running = worker.running!;
    running.sent++;
    running.meter = running.committed;
    wire.records.push({ kind: 'frame', meter: running.meter });
}

function commit({ worker: { running, store } }: State): void {
    if (running !== null && running.sent > 0) {
        store.queries[running.number - 1]!.stored = running.sent;
        running.committed = priceOf(running.sent);
    }
}

/** Rule 8. False if the voucher contradicts the newest one. */
export function takeVoucher(state: State, scope: Scope, voucher: Voucher): boolean {
    const { store, running } = state.worker;
    if (!saysMore(voucher, store.voucher)) {
        return saysMore(store.voucher, voucher) || isSame(store.voucher, voucher);
    }
    store.voucher = { ...voucher };
    if (running !== null && !running.isStarted) {
        running.isStarted = mayStart(state, scope);
    } else if (running?.isWaiting === true && maySend(state)) {
        running.isWaiting = false;
        sendFrame(state);
    }
    return true;
}

/** Rules 9 and 12: the query that runs ends. */
export function end(state: State, { isWhole, isConnected }: { isWhole: boolean; isConnected: boolean }): void {
    const { worker, wire } = state;
    const { number, sent } = worker.running!;
    if (isStale(worker.store)) {
        worker.running = null;
        wire.records.push(...(isConnected ? [{ kind: 'closed' as const }] : []));
        return;
    }
    const ending = sent === 0 && !isWhole ? FAIL : resultOf(state, { frames: sent, isWhole });
    sign(state, number, ending);
    worker.running = null;
    if (isConnected) {
        wire.records.push(...(isWhole ? [{ kind: 'final' as const, meter: ending.price }] : []));
        wire.records.push({ kind: 'ending', ending });
    }
}

function resultOf({ worker: { store } }: State, { frames, isWhole }: Pick<Ending, 'frames' | 'isWhole'>): Ending {
    const price = priceOf(frames);
    return { kind: 'result', index: store.index + 1, price, cumulative: store.cumulative + price, frames, isWhole };
}

function sign(state: State, number: number, ending: Ending): void {
    const { store } = state.worker;
    putQuery(state, number, { stored: ending.frames, ending });
    countReceipt(state);
    if (ending.kind === 'result') {
        store.index = ending.index;
        store.cumulative = ending.cumulative;
    }
    const { seen } = state;
    if (seen.signed.some((other) => excludes(other, { number, ending })) && !seen.isRestored) {
        seen.fault = 'the worker signed two receipts that exclude each other';
    }
    seen.signed.push({ number, ending });
}

function countReceipt({ worker }: State): void {
    worker.store.receipts++;
    worker.mark = worker.store.receipts;
}

/** A1: two results of one number or index, or a result and a fail of one number. */
export function excludes(one: State['seen']['signed'][0], other: State['seen']['signed'][0]): boolean {
    if (isSame(one, other)) {
        return false;
    }
    const kinds = [one.ending.kind, other.ending.kind];
    const results = kinds.filter((kind) => kind === 'result').length;
    const isOneNumber = one.number === other.number;
    const isOneIndex = results === 2 && one.ending.index === other.ending.index;
    return isOneIndex || (isOneNumber && results > 0 && !kinds.includes('decline'));
}

function putQuery({ worker: { store } }: State, number: number, query: (typeof store.queries)[0]): void {
    while (store.queries.length < number) {
        store.queries.push(null);
    }
    store.queries[number - 1] = query;
}

/** The connection of the query that runs ended: rule 12. */
export function loseClient(state: State): void {
    const { running } = state.worker;
    if (running !== null) {
        state.worker.dropped += running.isStarted && running.sent === 0 ? PROMPT : 0;
        end(state, { isWhole: false, isConnected: false });
    }
}

/** Rule 13: a process begins, and ends what an earlier one left open. It does not begin with an older store. */
export function start(state: State): void {
    const { worker } = state;
    if (worker.store.receipts < worker.mark) {
        worker.store.isRetired = true;
        return;
    }
    worker.isUp = true;
    worker.boot++;
    if (worker.store.voucher.cumulative > 0) {
        readChannel(state); // there may be something to claim
    }
    for (const [i, query] of worker.store.queries.entries()) {
        if (query !== null && query.ending === null && !isStale(worker.store)) {
            const { stored: frames } = query;
            sign(state, i + 1, frames === 0 ? FAIL : resultOf(state, { frames, isWhole: false }));
        }
    }
}

/** The process ends without a word. */
export function kill({ worker }: State): void {
    worker.isUp = false;
    worker.running = null;
    worker.dropped = 0;
}
