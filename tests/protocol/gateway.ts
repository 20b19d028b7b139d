/** The honest gateway of the model, as the rules of the stream and docs/gateway.md describe it. */
import * as worker from './worker';
import {
    type Ending,
    type GatewayPhase,
    isSame,
    memoryOf,
    PAY,
    priceOf,
    saysMore,
    type Scope,
    type State,
    STEP,
    type Voucher,
    type WireRecord,
} from './state';

const MAX_FAILURES = 2; // rule 16

export interface Entry {
    number: number;
    ending: Ending;
}

/** The verified results, by index. */
export function results({ gateway: { store } }: State): Entry[] {
    return store.queries
        .flatMap((query, i) =>
            query?.phase === 'result' && query.ending !== null ? [{ number: i + 1, ending: query.ending }] : [],
        )
        .sort((a, b) => a.ending.index - b.ending.index);
}

/** Numbers of queries without an ending. */
export function open({ gateway: { store } }: State): number[] {
    return store.queries.flatMap((query, i) => (query?.phase === 'open' ? [i + 1] : []));
}

/** Rule 7: what is owed, by results, or by meters where a query has none. */
export function total(state: State): number {
    const sum = (amounts: number[]) => amounts.reduce((all, amount) => all + amount, 0);
    return sum(results(state).map(({ ending }) => ending.price)) + sum(state.gateway.meters);
}

/** Rule 7: what the next voucher says. */
export function nextVoucher(state: State): Voucher {
    const { voucher } = state.gateway.store;
    const indexes = results(state).map(({ ending }) => ending.index);
    let count = 0;
    while (indexes.includes(count + 1)) {
        count++;
    }
    return {
        cumulative: Math.max(voucher.cumulative, total(state)),
        count: Math.max(voucher.count, count),
    };
}

export const hasGrown = (state: State): boolean => !isSame(nextVoucher(state), state.gateway.store.voucher);

/** True while the gateway asks the job's worker for anything. */
export const isServed = ({ gateway: { isUp, store } }: State): boolean =>
    isUp && (store.job === 'open' || store.job === 'settling');

/** True while vouchers are signed and posted. */
export const pays = (state: State): boolean => isServed(state) && !state.gateway.isStopped;

/** Rule 1: the number is on the disk, and the query leaves. */
export function ask(state: State, attempt = 1): void {
    const { gateway, wire } = state;
    const number = ++gateway.highest;
    putQuery(state, number, 'open', null);
    wire.query = { number, session: gateway.session, voucher: { ...gateway.store.voucher } };
    wire.records = [];
    gateway.live = number;
    gateway.attempt = attempt;
}

function putQuery({ gateway }: State, number: number, phase: GatewayPhase, ending: Ending | null): void {
    const { queries } = gateway.store;
    while (queries.length < number) {
        queries.push(null);
    }
    queries[number - 1] = { phase, ending };
}

function setMeter({ gateway: { meters } }: State, number: number, meter: number): void {
    while (meters.length < number) {
        meters.push(0);
    }
    meters[number - 1] = meter;
}

/** Takes the next record of the query that runs: rules 3, 6, 10, 12. */
export function take(state: State, record: WireRecord): void {
    const { gateway, seen } = state;
    const number = gateway.live;
    switch (record.kind) {
        case 'accept':
            break;
        case 'frame':
            while (seen.arrived.length < number) seen.arrived.push(0);
            seen.arrived[number - 1]++;
            takeMeter(state, number, record.meter);
            break;
        case 'meter':
        case 'final':
            takeMeter(state, number, record.meter);
            break;
        case 'ending':
            gateway.live = 0;
            conclude(state, number, record.ending);
            break;
        case 'refused':
            takeRefusal(state, number, record.code);
            break;
        case 'closed':
            gateway.live = 0;
    }
}

function takeMeter(state: State, number: number, meter: number): void {
    const { gateway } = state;
    setMeter(state, number, Math.max(gateway.meters[number - 1] ?? 0, meter));
    gateway.isDue ||= total(state) - gateway.store.voucher.cumulative >= PAY;
}

/** A refusal without a signature: nothing is owed, and the number is not used again. */
function takeRefusal(state: State, number: number, code: string): void {
    const { gateway } = state;
    const { attempt } = gateway;
    gateway.live = 0;
    putQuery(state, number, 'void', null);
    if (code === 'wrong_terms' || code === 'bad_voucher') {
        leave(state);
    }
    if (code === 'unknown_session') {
        gateway.session = 0;
        connect(state);
        if (gateway.session !== 0 && gateway.store.job === 'open' && attempt === 1) {
            ask(state, 2);
        }
    }
}

/** Books an ending that came with its query or was fetched. */
function conclude(state: State, number: number, ending: Ending): void {
    const { gateway } = state;
    if (ending.kind !== 'result') {
        const isPaid = (gateway.meters[number - 1] ?? 0) > 0;
        setMeter(state, number, 0);
        putQuery(state, number, ending.kind, ending);
        gateway.failures += isPaid ? 1 : 0;
        if (gateway.failures >= MAX_FAILURES) {
            leave(state);
        }
        return;
    }
    if (results(state).some(({ ending: { index } }) => index === ending.index)) {
        refuse(state, number);
        return;
    }
    gateway.failures = 0;
    setMeter(state, number, 0);
    putQuery(state, number, 'result', ending);
    gateway.isDue ||= hasGrown(state);
}

/** Rule 10 and 16: the node broke the protocol, so it is paid no more and its job is left. */
export function refuse(state: State, number: number): void {
    putQuery(state, number, 'refused', null);
    state.gateway.live = 0;
    leave(state);
}

/** The client leaves: it needs nobody, and pays nothing more. */
export function leave({ gateway, chain }: State): void {
    gateway.store.job = 'leaving';
    gateway.isDue = false;
    gateway.post = null;
    chain.isLeaving = true;
}

/** Rule 7: signs what is owed, on the disk before it leaves, and posts it. */
export function sign(state: State): void {
    const { gateway } = state;
    gateway.store.voucher = nextVoucher(state);
    gateway.post = { ...gateway.store.voucher };
    gateway.isDue = false;
}

/** A post that signs nothing new begins by itself. */
export function settle(state: State): void {
    const { gateway } = state;
    if (!pays(state)) {
        gateway.isDue = false;
        gateway.post = null;
    }
    if (gateway.isDue && gateway.post === null && !hasGrown(state)) {
        gateway.isDue = false;
        gateway.post = saysMore(gateway.store.voucher, gateway.delivered) ? { ...gateway.store.voucher } : null;
    }
}

/** The voucher that was posted arrives; its answer may not. */
export function deliver(state: State, scope: Scope, { isAnswered }: { isAnswered: boolean }): void {
    const { gateway, seen } = state;
    const voucher = gateway.post!;
    gateway.post = null;
    if (!worker.takeVoucher(state, scope, voucher)) {
        seen.fault = scope.hostile === 'gateway' ? seen.fault : 'an honest worker refuses an honest voucher';
        return;
    }
    if (!isAnswered) {
        gateway.isDue = true;
        return;
    }
    seen.acknowledged = Math.max(seen.acknowledged, voucher.cumulative);
    gateway.delivered = voucher;
    adopt(state);
}

/** Rule 15: a voucher of our key that says more than this store shows another signer. */
function adopt(state: State): void {
    const { gateway } = state;
    const { voucher } = state.worker.store;
    if (saysMore(voucher, gateway.store.voucher)) {
        gateway.store.voucher = { ...voucher };
        gateway.isStopped = true;
    }
}

/** Rule 14: the ending of a query whose connection ended. */
export function fetch(state: State, number: number): void {
    const { gateway } = state;
    const stored = state.worker.store.queries[number - 1] ?? null;
    if (stored === null) {
        forget(state, number);
        return;
    }
    const { ending } = stored;
    const meter = gateway.meters[number - 1] ?? 0;
    const unpaid = total(state) - meter + ending!.price - gateway.store.voucher.cumulative;
    if (ending!.kind === 'result' && unpaid > STEP) {
        refuse(state, number);
        return;
    }
    conclude(state, number, ending!);
}

/** The worker says that it never took the query. */
export function forget(state: State, number: number): void {
    setMeter(state, number, 0);
    putQuery(state, number, 'void', null);
}

/** The receipts that it shows when it connects: those of the highest ended query and of the newest result. */
function newest(state: State): Entry[] {
    const signed = state.gateway.store.queries.flatMap((query, i) =>
        query?.ending ? [{ number: i + 1, ending: query.ending }] : [],
    );
    const [last] = results(state).slice(-1);
    return [...signed.slice(-1), ...(last === undefined ? [] : [last])];
}

/** Rule 15: shows the job to its worker, and takes over what that knows better. */
export function connect(state: State): void {
    const { gateway, worker: node } = state;
    if (!node.isUp) {
        return;
    }
    const isKnown = ({ number, ending }: Entry) => isSame(node.store.queries[number - 1]?.ending ?? null, ending);
    if (!newest(state).every(isKnown)) {
        node.store.isRetired = true;
        worker.kill(state);
        return;
    }
    if (state.chain.word === 'absent') {
        return; // the worker shows no job to anybody while it does not see the channel
    }
    worker.readChannel(state);
    gateway.session = node.boot;
    gateway.hasConnected = true;
    gateway.highest = Math.max(gateway.highest, node.store.queries.length);
    gateway.delivered = { ...node.store.voucher };
    adopt(state);
    gateway.isDue ||= hasGrown(state) || saysMore(gateway.store.voucher, gateway.delivered);
    if (gateway.isStopped && gateway.store.job === 'open') {
        gateway.store.job = 'settling';
    }
    if (open(state).length === 0) {
        const isBehind = node.store.index > results(state).length;
        if (isBehind && gateway.isComplete) {
            leave(state);
        } else if (isBehind && gateway.store.job === 'open') {
            gateway.store.job = 'settling';
        }
        gateway.isComplete = !isBehind;
    }
}

/** Rule 15: a process begins with what is on the disk. */
export function start(state: State): void {
    const { gateway } = state;
    Object.assign(gateway, memoryOf(gateway.store.queries), { isUp: true });
    if (isServed(state)) {
        connect(state);
    }
}

/** The process ends without a word. */
export function kill(state: State): void {
    const { gateway } = state;
    Object.assign(gateway, memoryOf(gateway.store.queries), { isUp: false });
}

/** Units billed for a query beyond what arrived while it ran. */
export function billedUnseen({ seen }: State, { number, ending }: Entry): number {
    return ending.price - priceOf(seen.arrived[number - 1] ?? 0);
}
