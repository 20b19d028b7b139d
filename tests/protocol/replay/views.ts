/** The same facts of a state of the model and of the real processes, to compare them. */
import { openReceipt, decodeQuery, voucherRequest } from '../../../offchain/link';
import { Finish, Result, signingKey, Verifier } from '@cocoon-market/wrappers';
import { SEEDS } from '../../offchain/support/worker';
import { hasGrown, pays, total } from '../gateway';
import { type Ending, FRAME, type State, type Voucher } from '../state';
import { FAIL } from '../worker';
import { TOKENS, UNIT, type World } from './world';

const verifier = new Verifier(signingKey(SEEDS.receiptKey).publicKey);

const DOWN = 'down';

/** Vouchers and queries in fortieths of a step, by number - 1. */
export interface View {
    worker: object | typeof DOWN;
    gateway: object | typeof DOWN;
    wire: object;
    paid: number | null; // by the channel
}

/** What the model says. */
export function expectedView(state: State): View {
    const { worker, gateway, wire, chain } = state;
    const { queries, index, cumulative, voucher } = worker.store;
    return {
        worker: worker.isUp
            ? { index, cumulative, voucher, queries: trimmed(queries.map((query) => query && { ...query })) }
            : DOWN,
        gateway: gateway.isUp
            ? {
                  job: gateway.store.job,
                  voucher: gateway.store.voucher,
                  queries: trimmed(gateway.store.queries.map((query) => query && { ...query })),
                  total: total(state),
                  hasSession: gateway.session !== 0,
                  isSigning: pays(state) && gateway.isDue && gateway.post === null && hasGrown(state),
              }
            : DOWN,
        wire: {
            query: wire.query && { number: wire.query.number, voucher: wire.query.voucher },
            records: wire.records.map((record) =>
                record.kind === 'ending'
                    ? record.ending.kind
                    : ['frame', 'meter', 'final'].includes(record.kind)
                      ? 'answer'
                      : record.kind,
            ),
            post: gateway.post,
        },
        paid: chain.paid,
    };
}

/** What the processes have, by their stores and what waits between them. */
export async function realView(world: World, highest: number): Promise<View> {
    const { relay } = world;
    const query = relay.find('query');
    const head = query && decodeQuery(query.body).head;
    const posted = relay.find('voucher');
    const paid = await world.paid();
    return {
        worker: await workerView(world, highest),
        gateway: await gatewayView(world, highest),
        wire: {
            query: head === undefined ? null : { number: head.number, voucher: units(head.voucher) },
            records: (relay.stream?.records ?? []).map(({ kind }) => kind),
            post: posted === undefined ? null : units(voucherRequest.parse(JSON.parse(posted.body.toString())).voucher),
        },
        paid: paid === undefined ? null : Number(paid / UNIT),
    };
}

async function workerView({ workerStore, job }: World, highest: number): Promise<View['worker']> {
    const record = await workerStore?.jobs.get(job);
    if (workerStore === undefined || record === undefined) {
        return DOWN;
    }
    const { index, cumulative, voucher } = record;
    const queries = [];
    for (let number = 1; number <= highest; number++) {
        const query = await workerStore.queries.get({ job, number });
        const end = query?.end;
        queries.push(
            query === undefined
                ? null
                : {
                      stored: query.counts.completion / (FRAME * TOKENS),
                      ending: end === undefined ? null : endingOf(end.kind, end.receipt),
                  },
        );
    }
    return { index, cumulative: inUnits(cumulative), voucher: units(voucher ?? null), queries: trimmed(queries) };
}

async function gatewayView(world: World, highest: number): Promise<View['gateway']> {
    const { gateway, gatewayStore: store, jobNumber } = world;
    if (gateway === undefined || store === undefined) {
        return DOWN;
    }
    const { phase, voucher } = (await store.job(jobNumber))!;
    const queries = [];
    for (let number = 1; number <= highest; number++) {
        const query = await store.storedAnswer(jobNumber, number);
        const isSigned = ['result', 'fail', 'decline'].includes(query?.phase ?? '');
        const ending = isSigned ? endingOf(query!.phase as Ending['kind'], query!.receipt!) : null;
        queries.push(query === undefined ? null : { phase: query.phase, ending });
    }
    const job = gateway.book.get(jobNumber);
    return {
        job: phase,
        voucher: units(voucher),
        queries: trimmed(queries),
        total: inUnits(job?.ledger.total ?? 0n),
        hasSession: job?.session !== undefined,
        isSigning:
            job !== undefined &&
            (phase === 'open' || phase === 'settling') &&
            job.money.paused === undefined &&
            world.payments.waits(job.money) &&
            job.ledger.hasGrown &&
            world.relay.find('voucher') === undefined,
    };
}

function endingOf(kind: Ending['kind'], receipt: Buffer): Ending {
    if (kind !== 'result') {
        return { ...FAIL, kind };
    }
    const { index, price, cumulative, completion, finish } = openReceipt(Result, receipt, verifier);
    const isWhole = finish === Number(Finish.Stop);
    const frames = completion / (FRAME * TOKENS);
    return { kind, index, price: inUnits(price), cumulative: inUnits(cumulative), frames, isWhole };
}

// An amount that is no whole number of units stays visible as a fraction.
const inUnits = (amount: bigint): number => Number(amount) / Number(UNIT);

const units = (voucher: { cumulative: bigint; count: number } | null): Voucher =>
    voucher === null ? { cumulative: 0, count: 0 } : { cumulative: inUnits(voucher.cumulative), count: voucher.count };

function trimmed<T>(list: (T | null)[]): (T | null)[] {
    const rest = [...list];
    while (rest.at(-1) === null) {
        rest.pop();
    }
    return rest;
}
