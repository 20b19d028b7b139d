/** Errors that a caller's input leads to have a code for programs, and a remedy for people. */
import { Address } from '@ton/core';
import {
    type Actor,
    errors,
    ForeignDispute,
    InsufficientFunds,
    Node,
    NotRun,
    prepareReport,
    RefusedMessage,
    Result,
    signingKey,
    type Terms,
    UnknownCode,
    UnknownWallet,
    UnseenMessage,
} from '@cocoon-market/wrappers';

const bytes = (fill: number) => Buffer.alloc(32, fill);
const account = new Address(0, bytes(1));

describe('An error', () => {
    const kinds = [
        new InsufficientFunds(account, 1n, 2n),
        new NotRun(account, 'Open'),
        new UnseenMessage(account, 5),
        new UnknownWallet(),
        new ForeignDispute(account),
        new UnknownCode('node', 'ab', 1),
    ];
    it.each(kinds.map((error) => [error.name, error] as const))('%s has its kind as code, and a remedy', (_, error) => {
        expect([error.name, error.code]).toEqual([error.constructor.name, error.constructor.name]);
        expect(error.remedy).toMatch(/^[A-Z].*\.$/);
        expect(error.message.endsWith(`. ${error.remedy}`)).toBe(true);
    });

    it('of a contract has the name of its exit code', () => {
        const error = new RefusedMessage(errors.ErrStaleSeqno, 'Escrow', account, 'Open');
        expect([error.code, error.remedy]).toEqual(['ErrStaleSeqno', expect.stringMatching(/\.$/)]);
    });

    it('says that a report would go to a Dispute of another release', async () => {
        const key = signingKey(bytes(2));
        const rates = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
        const terms: Terms = {
            ...{ escrow: bytes(3), provider: bytes(4), node: bytes(5), receiptKey: key.publicKey, payout: bytes(6) },
            ...{ voucherKey: key.publicKey, model: bytes(7), rates, step: 1n, maxParallel: 1, maxAnswer: 1 },
            ...{ notice: 3_600, end: 1_900_000_000 },
        };
        const values = { ...{ job: bytes(8), number: 1, index: 1, content: bytes(9), prompt: 1, cached: 0 } };
        const counts = { completion: 0, reasoning: 0, price: 1n, cumulative: 1n, finishedAt: 1, finish: 1 };
        const payload = Result.encode({ ...values, ...counts });
        const result = Buffer.concat([payload, Buffer.alloc(64)]);
        const ofNode = {
            getValuesFor: async () => ({ cost: 0n, excess: 0n }),
            getNodeState: async () => ({ codeVersion: 0n }),
        };
        const ofProvider = { getDisputeAddress: async () => account };
        const chain: Pick<Actor, 'open'> = {
            open: (contract) => (contract instanceof Node ? ofNode : ofProvider) as never,
        };

        const report = prepareReport(chain, -3, { class: 'A2', channel: bytes(10), terms, result });

        await expect(report).rejects.toBeInstanceOf(ForeignDispute);
    });
});
