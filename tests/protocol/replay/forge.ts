/** What a hostile client or node sends in the place of an honest one. It has the keys of its own side. */
import {
    answerRoot,
    contentHash,
    Fail,
    Finish,
    noTokens,
    Reason,
    Result,
    signingKey,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { clientKeys } from '../../../offchain/gateway';
import {
    acceptSession,
    decodeQuery,
    encryptionKey,
    FrameKind,
    FrameWriter,
    jobRequest,
    paths,
    querySecret,
    requestHash,
    signReceipt,
    toWire,
    withProcess,
} from '../../../offchain/link';
import { SEED } from '../../offchain/gateway/support';
import { SEEDS } from '../../offchain/support/worker';
import { results } from '../gateway';
import type { State } from '../state';
import type { Step } from '../steps';
import { UNIT, type World } from './world';

const JSON_TYPE = { 'content-type': 'application/json' };
const receiptKey = signingKey(SEEDS.receiptKey);

type Forgery = (world: World, before: State) => Promise<void> | void;

/** Fails unless the worker answers so. */
async function post(world: World, path: string, body: Buffer | object, expected: number): Promise<Buffer> {
    const isBuffer = Buffer.isBuffer(body);
    const bytes = isBuffer ? body : Buffer.from(JSON.stringify(body));
    const headers = isBuffer ? { 'content-type': 'application/octet-stream' } : JSON_TYPE;
    const { status, body: answer } = await world.relay.post(path, bytes, headers);
    if (status !== expected) {
        throw new Error(`The worker answers ${status} instead of ${expected}: ${answer.toString()}`);
    }
    return answer;
}

function postVoucher(
    world: World,
    { cumulative, count, channel = world.channel }: { cumulative: bigint; count: number; channel?: Address },
    expected: number,
): Promise<Buffer> {
    const key = clientKeys(SEED).voucher(world.market.escrow.address.hash, world.jobNumber);
    const signature = key.sign(Voucher.hash(voucherFor(world.chain.network, channel, cumulative, count)));
    const body = toWire({ job: world.job, voucher: { cumulative, count, signature } }) as object;
    return post(world, paths.voucher, body, expected);
}

/** The query whose connection is open, as its node knows it. */
function asked(world: World) {
    const { stream, introduced } = world.relay;
    const { head, sealed } = decodeQuery(stream!.body);
    const { number, commitment, session, salt } = head;
    const request = requestHash({ commitment, session, salt, sealed });
    return { stream: stream!, head, number, request, introduced: introduced! };
}

/** A result of no tokens over what arrived, with whatever is wrong in it. */
function writeResult(world: World, state: State, change: Partial<Result>): void {
    const { stream, number, request } = asked(world);
    const last = results(state).at(-1)?.ending;
    const result: Result = {
        ...{ job: world.job, number, index: (last?.index ?? 0) + 1, ...noTokens, price: 0n },
        content: contentHash(request, answerRoot(Buffer.concat(stream.arrived))),
        cumulative: BigInt(last?.cumulative ?? 0) * UNIT,
        ...{ finishedAt: world.market.now, finish: Finish.CutByWorker },
        ...change,
    };
    world.relay.forge('result', signReceipt(Result, result, receiptKey));
}

export const forgeries: Partial<Record<Step, Forgery>> = {
    'forged by the client: a voucher of another job': async (world, { worker: { store } }) => {
        const channel = new Address(0, randomBytes(32));
        const cumulative = BigInt(store.voucher.cumulative + 1) * UNIT;
        await postVoucher(world, { cumulative, count: store.voucher.count, channel }, 422);
    },
    'forged by the client: a voucher above the channel': async (world, { worker: { store } }) => {
        await postVoucher(world, { cumulative: 10n ** 12n, count: store.voucher.count }, 422);
    },
    'forged by the client: an old voucher again': async (world, { worker: { store } }) => {
        const answer = await postVoucher(
            world,
            { cumulative: BigInt(store.voucher.cumulative) * UNIT - 1n, count: 0 },
            200,
        );
        const { voucher } = JSON.parse(answer.toString()) as { voucher: { cumulative: string } };
        if (BigInt(voucher.cumulative) !== BigInt(store.voucher.cumulative) * UNIT) {
            throw new Error('The worker does not answer an older voucher with the newest');
        }
    },
    'forged by the client: the query again': async (world, { worker: { running } }) => {
        const body = world.relay.lastQuery!;
        if (running !== null) {
            await post(world, paths.query, body, 409);
            return;
        }
        const [one, other] = [await post(world, paths.query, body, 200), await post(world, paths.query, body, 200)];
        if (!one.equals(other)) {
            throw new Error('A stored answer is another when it is asked for again');
        }
    },
    'forged by the client: a voucher that counts too much': async (world, { worker: { store } }) => {
        const { cumulative } = store.voucher;
        await postVoucher(world, { cumulative: BigInt(cumulative) * UNIT, count: store.index + 1 }, 200);
    },
    'forged by the node: a result of another job': (world, before) =>
        writeResult(world, before, { job: randomBytes(32) }),
    'forged by the node: a result with a false price': (world, before) =>
        writeResult(world, before, { price: 1n, cumulative: 1n }),
    'forged by the node: a result over an answer without its end': (world, before) =>
        writeResult(world, before, { finish: Finish.Stop }),
    'forged by the node: a result with a used index': (world, before) => {
        const [{ ending }] = results(before);
        writeResult(world, before, { index: ending.index, cumulative: BigInt(ending.cumulative) * UNIT });
    },
    'forged by the node: a second accept': (world) => world.relay.forge('accept', world.relay.stream!.accept!),
    'forged by the node: a meter above its text': async (world) => {
        const { head, number, introduced } = asked(world);
        const { enc, wire } = jobRequest.parse(JSON.parse(introduced.request.toString()));
        const key = await encryptionKey(SEEDS.encryptionKey);
        const session = withProcess(
            await acceptSession(key, enc, { job: world.job, wire }),
            Buffer.from(introduced.boot, 'hex'),
        );
        const salt = randomBytes(16);
        const frame = new FrameWriter(querySecret(session, number, head.salt), number, salt).write({
            ...{ meter: { ...noTokens, completion: 1000 }, kind: FrameKind.Content, choice: 0, text: 'one' },
            ...{ more: false, final: false },
        });
        world.relay.forge('answer', Buffer.concat([salt, frame]));
    },
    'forged by the node: a fail after its frames': (world) => {
        const { number, request } = asked(world);
        const fail = { job: world.job, number, request, reason: Reason.Stopped, signedAt: world.market.now };
        world.relay.forge('fail', signReceipt(Fail, fail, receiptKey));
    },
};
