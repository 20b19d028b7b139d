/** An opened query as a client has it, made without either process. */
import { answerRoot, contentHash, Finish, jobHash, priceOf, Result, signingKey, Terms } from '@cocoon-market/wrappers';
import {
    FrameKind,
    FrameWriter,
    keyCommitment,
    modelHash,
    ModelRequest,
    Opening,
    requestHash,
    sealRequest,
    signReceipt,
    termsToWire,
} from '../../../offchain/link';

export const nodeKey = signingKey(Buffer.alloc(32, 71));
const NETWORK = -239;
const CHANNEL = Buffer.alloc(32, 72);

const rates = { prompt: 1_000_000n, cached: 1_000_000n, completion: 1_000_000n, reasoning: 1_000_000n };

function termsFor(model: string): Terms {
    const [escrow, provider, node] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));
    const voucherKey = signingKey(Buffer.alloc(32, 4)).publicKey;
    const keys = { receiptKey: nodeKey.publicKey, payout: Buffer.alloc(32, 5), voucherKey };
    const limits = { step: 1000n, maxParallel: 1, maxAnswer: 1 << 20, notice: 3600, end: 2_000_000_000 };
    return { escrow, provider, node, ...keys, model: modelHash(model), rates, ...limits };
}

/** What is other than usual in an opened query. */
export interface Made {
    texts?: string[]; // of the answer's frames
    finish?: Finish;
    model?: string; // of the terms
    secret?: Buffer;
    sealed?: Buffer;
    number?: number;
    result?: (result: Result) => Result;
}

/** The opening of a query with this request. */
export function makeOpening(modelRequest: ModelRequest, made: Made = {}): Opening {
    const { texts = ['Hello', ' world'], finish = Finish.Stop, number = 7, secret = Buffer.alloc(32, 8) } = made;
    const terms = termsFor(made.model ?? modelRequest.body.model);
    const sealed = made.sealed ?? sealRequest(secret, number, Buffer.from(JSON.stringify(modelRequest)));
    const [session, salt] = [Buffer.alloc(32, 9), Buffer.alloc(16, 10)];
    const commitment = keyCommitment(secret);
    const request = requestHash({ commitment, session, salt, sealed });
    const writer = new FrameWriter(secret, number, salt);
    const meter = { prompt: 3, cached: 0, completion: texts.length, reasoning: 0 };
    const frames = texts.map((text, i) =>
        writer.write({ meter, kind: FrameKind.Content, choice: 0, text, more: false, final: i === texts.length - 1 }),
    );
    const answer = Buffer.concat([salt, ...frames]);
    const price = priceOf(meter, rates);
    const result: Result = {
        ...{ job: jobHash(NETWORK, CHANNEL, terms), number, index: 1, ...meter, price, cumulative: price },
        ...{ content: contentHash(request, answerRoot(answer)), finishedAt: 1_900_000_000, finish },
    };
    return {
        ...{ version: 'cocoon-market opening 1', network: NETWORK, channel: CHANNEL, terms: termsToWire(terms) },
        ...{ number, session, salt, commitment, secret, sealed, answer },
        result: signReceipt(Result, made.result?.(result) ?? result, nodeKey),
    };
}
