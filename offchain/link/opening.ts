/**
 * One query opened: everything that lets a third party read request and answer and see that the node signed for exactly
 * these. Whoever gets an opening can read that one query, and nothing else of its job.
 */
import { answerRoot, contentHash, jobHash, loadTerms, Result, Terms, Verifier } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { z } from 'zod';
import { hex } from '../process/fields';
import { modelHash } from './api';
import { FrameReader } from './frames';
import { PieceReader, WholeAnswer, WholeChoice } from './pieces';
import { openReceipt } from './records';
import { ModelRequest, modelRequest as modelRequestShape } from './request';
import { commits, openRequest, requestHash } from './sealing';

// Without a group that repeats: for the digits of eight megabytes it has no room.
const bytes = z
    .string()
    .regex(/^[0-9a-f]*$/, 'expected bytes of hex')
    .refine(({ length }) => length % 2 === 0, 'expected bytes of hex')
    .transform((text): Buffer => Buffer.from(text, 'hex'));

/** The file that `cocoon gateway open-query` writes. */
export const opening = z.object({
    version: z.literal('cocoon-market opening 1'),
    network: z.number().int(),
    channel: hex(32), // account
    terms: z.string().max(1024), // bag of cells, base64
    number: z.number().int().min(1).max(0xffffffff),
    session: hex(32),
    salt: hex(16),
    commitment: hex(32), // to the secret
    secret: hex(32),
    sealed: bytes, // the request
    answer: bytes, // salt and frames, as they came
    result: bytes, // receipt
});
export type Opening = z.output<typeof opening>;

/** An opened query whose parts belong together. */
export interface OpenedQuery {
    job: Buffer; // hash
    terms: Terms;
    modelRequest: ModelRequest;
    choices: WholeChoice[]; // of the answer, as whole messages
    result: Result;
}

/**
 * Opens a query. The node's signature covers the hash of the request, which covers the commitment to one secret. So a
 * request that was sealed to open under two keys opens here under the one that was committed to.
 *
 * @throws Error that says what does not hold together
 */
export function openQuery(opened: Opening): OpenedQuery {
    const { network, channel, number, session, salt, commitment, secret, sealed, answer } = opened;
    const terms = loadTerms(Cell.fromBase64(opened.terms));
    const job = jobHash(network, channel, terms);
    const result: Result = openReceipt(Result, opened.result, new Verifier(terms.receiptKey));
    if (!result.job.equals(job) || result.number !== number) {
        throw new Error('The result is of another query');
    }
    if (!commits(commitment, secret)) {
        throw new Error('The secret is not the one that the request was committed to');
    }
    const request = requestHash({ commitment, session, salt, sealed });
    if (!result.content.equals(contentHash(request, answerRoot(answer)))) {
        throw new Error('The node signed for another request or another answer');
    }
    const modelRequest = modelRequestShape.parse(JSON.parse(openRequest(secret, number, sealed).toString('utf8')));
    if (!modelHash(modelRequest.body.model).equals(terms.model)) {
        throw new Error('The request asks for another model than the job is for');
    }
    const pieces = new PieceReader();
    const whole = new WholeAnswer();
    for (const frame of new FrameReader(secret, number).push(answer)) {
        pieces.push(frame).forEach((piece) => whole.add(piece));
    }
    pieces.end().forEach((piece) => whole.add(piece));
    return { job, terms, modelRequest, choices: whole.choices, result };
}
