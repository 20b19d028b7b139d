/** Receipts and terms of the model as the cells that a contract reads. */
import { beginCell, Cell } from '@ton/core';
import { answerRoot, contentHash, evidenceCell, jobHash, Terms as ChainTerms } from '@cocoon-market/wrappers';

import { Accept, Decline, Fail, Result as ResultLayout } from '../../wrappers/signed/payloads';
import { cellOf } from '../../wrappers/signed/layout';
import { termsCell } from '../../wrappers/signed/terms';
import { jobOf, Receipt, Terms, textOf } from '../model';
import { addressOf, hashOfText, publicKeyOf, signatureBytes } from './names';

export const NETWORK = -239; // of the sandbox's configurations

/** The one answer that nodes give. */
export const ANSWER = Buffer.from('answer');

const MAX_ANSWER = 1 << 20; // bytes, 64 pieces

export function chainTerms(terms: Terms): ChainTerms {
    const [prompt, cached, completion, reasoning] = terms.rates;
    return {
        escrow: addressOf(terms.escrow).hash,
        provider: addressOf(terms.provider).hash,
        node: addressOf(terms.node).hash,
        receiptKey: publicKeyOf(terms.receiptKey),
        payout: addressOf(terms.payout).hash,
        voucherKey: publicKeyOf(terms.voucherKey),
        model: hashOfText('model'),
        rates: { prompt, cached, completion, reasoning },
        step: terms.step,
        maxParallel: 1 + terms.variant,
        maxAnswer: MAX_ANSWER,
        notice: 3600,
        end: 2_000_000_000,
    };
}

export const termsCellOf = (terms: Terms): Cell => termsCell(chainTerms(terms));

const jobs = new Map<string, Buffer>(); // hashes by the model's name of the job

/** The hash of a job, by which the model's receipts name it. */
export function hashOfJob(channel: string, terms: Terms, network = NETWORK): Buffer {
    const name = jobOf(network, channel, terms);
    const hash = jobs.get(name) ?? jobHash(network, addressOf(channel).hash, chainTerms(terms));
    jobs.set(name, hash);
    return hash;
}

const jobBytes = (job: string): Buffer => jobs.get(job) ?? hashOfText(job);

const requestBytes = (request: string): Buffer => hashOfText(`request ${request}`);

/** The content of an answer to a request. */
export const contentBytes = (content: string): Buffer => contentHash(requestBytes(content), answerRoot(ANSWER));

function payloadOf(receipt: Receipt): Buffer {
    const { number } = receipt;
    const job = jobBytes(receipt.job);
    switch (receipt.kind) {
        case 'accept': {
            const { ceiling, deadline } = receipt;
            return Accept.encode({ job, number, request: requestBytes(receipt.request), ceiling, deadline });
        }
        case 'result': {
            const { index, price, cumulative, finishedAt } = receipt;
            const [prompt, cached, completion, reasoning] = receipt.counts;
            const content = contentBytes(receipt.content);
            const counts = { prompt, cached, completion, reasoning };
            return ResultLayout.encode({
                job,
                number,
                index,
                content,
                ...counts,
                price,
                cumulative,
                finishedAt,
                finish: 1,
            });
        }
        default: {
            const layout = receipt.kind === 'fail' ? Fail : Decline;
            const { signedAt } = receipt;
            return layout.encode({ job, number, request: requestBytes(receipt.request), reason: 2, signedAt });
        }
    }
}

/** A receipt as it is stored: payload, then signature. */
export function receiptBytes(receipt: Receipt): Buffer {
    const payload = payloadOf(receipt);
    return Buffer.concat([payload, signatureBytes(receipt.signature, [textOf(receipt)], cellOf(payload).hash())]);
}

export const receiptCell = (receipt: Receipt): Cell => evidenceCell(receiptBytes(receipt));

/** A cell of these bits only. */
export const bytesCell = (bytes: Buffer): Cell => beginCell().storeBuffer(bytes).endCell();
