// Longer than 350 lines because its cases share one set-up.
/** A3: demands for what was accepted, and their three answers. */
import { beginCell, Cell, toNano, TransactionDescriptionGeneric } from '@ton/core';

import { errors, opcodes } from '@cocoon-market/wrappers';
import { evidenceCell } from '../../wrappers/evidence';
import { answerRoot, contentHash, PIECE_BYTES, pieceCell, pieceOf, proofCell } from '../../wrappers/signed/answer';
import { Voucher } from '../../wrappers/signed/payloads';
import {
    aside,
    caseMarket,
    expectRejected,
    expectSlashed,
    expectNoSlash,
    NETWORK,
    NodeJob,
    partsOf,
    report,
    REQUEST,
    useCases,
} from '../support/cases';
import { expectConserved, expectRefused, transactionsOn } from '../support/chain';
import { valueSent } from '../support/market';
import { changeNode, DAY, expectSolvent, HOUR, keyOf, pairOf } from '../support/stake';
import { nodeChanges } from '../../wrappers/Node';
import { signedReceipt } from '../support/keys';

const RESPONSE = 24 * HOUR;
const market = useCases(() => caseMarket());
const via = () => market().stranger.getSender();
const OTHER = Buffer.alloc(32, 6); // a job or channel that is not this one
const { ErrTooEarly, ErrExpired, ErrNoFault, ErrUnknownKey, ErrLowValue, ErrWrongState, ErrMalformed } = errors;
const { ErrBadSignature, ErrWrongJob, ErrWrongPiece, ErrNothingNew, ErrNotProvider } = errors;

/** An answer of so many bytes, and the result over it. */
function answerOf(bytes: number, overrides: { job?: Buffer; number?: number; index?: number } = {}) {
    const answer = Buffer.alloc(bytes, 9);
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
        answer.writeUInt8(at / PIECE_BYTES, at); // no two pieces are equal
    }
    return { answer, result: market().job.result({ content: contentHash(REQUEST, answerRoot(answer)), ...overrides }) };
}

/** The open demand of query 1, with the bond that was paid. */
async function demand(first = 0, accept = market().job.accept()) {
    const result = await report(market(), 'demand', market().job.report.demand(accept, first));
    const dispute = await market().job.dispute('A3');
    const { bond, state } = await dispute.getCaseState();
    expect(state).toBe(1n);
    return { dispute, bond, value: await dispute.getCloseValue(), result };
}

type Open = Awaited<ReturnType<typeof demand>>;

const post = ({ dispute, value }: Open, answer: Buffer, result: Buffer, index: number) =>
    expectConserved(market().blockchain, () => dispute.sendPiece(via(), { value, answer, result, index }));

/**
 * Asserts that the demand ended for the node: nothing slashed, its cost at the payout, the rest back, the freeze
 * lifted.
 */
async function expectAnswered(open: Open, action: () => ReturnType<typeof post>): Promise<void> {
    const result = await expectNoSlash(market(), action);
    const { payout, provider, stranger } = market();
    const paid = valueSent(result, open.dispute, payout);
    expect(paid).toBeGreaterThan(0n);
    expect(paid).toBeLessThan(open.bond);
    expect(valueSent(result, open.dispute, stranger)).toBe(open.bond - paid);
    expect(await open.dispute.getCaseState()).toMatchObject({ state: 2n, outcome: 0n, bond: 0n, missingPieces: 0n });
    expect((await provider.getStanding()).frozen).toBe(0n);
    expect((await provider.getStanding()).strikes).toBe(0n);
}

describe('DemandAnswer', () => {
    it('comes after the deadline, not in its second', async () => {
        const { job, blockchain } = market();
        const body = job.report.demand(job.accept({ deadline: blockchain.now! }));

        await expectRejected(market(), 'demand', body, ErrTooEarly);
        blockchain.now! += 1;
        await report(market(), 'demand', body);
        expect(await (await job.dispute('A3')).getCaseState()).toMatchObject({
            state: 1n,
            answerBy: BigInt(blockchain.now! + RESPONSE),
            decideFrom: BigInt(blockchain.now! + RESPONSE),
        });
    });

    it('comes until the last second of the window after the deadline', async () => {
        const { job, blockchain } = market();
        const deadline = blockchain.now! - 1;
        const body = job.report.demand(job.accept({ deadline }));

        await aside(market(), deadline + 120 * HOUR + 1, () => expectRejected(market(), 'demand', body, ErrExpired));
        blockchain.now = deadline + 120 * HOUR;
        await demand(0, job.accept({ deadline }));
    });

    it('may be of an accept whose deadline is a day and the clock skew after its key’s end, and no later', async () => {
        const { job, blockchain } = market();
        const end = blockchain.now! + 120; // the notice of a key's end
        await changeNode(market(), nodeChanges.keys({ receiptKey: keyOf('next'), encryptionKey: 7n, oldEndsAt: end }));
        blockchain.now = end + 2 * DAY;

        await expectRejected(
            market(),
            'demand',
            job.report.demand(job.accept({ deadline: end + DAY + 61 })),
            ErrUnknownKey,
        );
        await demand(0, job.accept({ deadline: end + DAY + 60 }));
    });

    it('asks for pieces of the largest answer the terms allow, not beyond it', async () => {
        const { job } = market();
        const last = job.terms.maxAnswer / PIECE_BYTES;

        await expectRejected(market(), 'demand', job.report.demand(job.accept(), last + 1), ErrNoFault);
        await demand(last);
    });

    it.each([
        [
            'of another job',
            () => new NodeJob(market(), Buffer.alloc(32, 6), market().victim.address).accept(),
            ErrWrongJob,
        ],
        ['by another key', () => market().job.accept({}, pairOf('other')), ErrBadSignature],
        ['that is a result', () => market().job.result(), ErrMalformed],
        ['that is a decline', () => market().job.decline(), ErrMalformed],
    ])('refuses an accept %s', async (_, accept, exitCode) => {
        await expectRejected(market(), 'demand', market().job.report.demand(accept()), exitCode);
    });

    it('freezes what it may take, keeps bond and rent, and gives the rest back', async () => {
        const { provider, stranger, job } = market();
        const before = await stranger.getBalance();
        const open = await demand();
        const loss = toNano('0.05');

        expect((await provider.getStanding()).frozen).toBe(2n * loss + loss / 100n);
        expect(await open.dispute.getFile()).toMatchObject({
            class: 'A3',
            query: 1,
            loss,
            victim: market().victim.address.hash,
        });
        const cost = before - (await stranger.getBalance()) - open.bond;
        expect(cost).toBeGreaterThan(0n);
        expect(cost).toBeLessThan(toNano('0.16'));
        expect(job.hash).toEqual((await open.dispute.getFile())!.job);
        await expectSolvent(market());
    });

    it('counts once per query: a second one comes back with its bond', async () => {
        const { job, provider, stranger } = market();
        const open = await demand();
        const frozen = (await provider.getStanding()).frozen;
        const before = await stranger.getBalance();

        await expectNoSlash(market(), () =>
            report(market(), 'demand', job.report.demand(job.accept({ ceiling: 9n }), 4)),
        );

        expect(before - (await stranger.getBalance())).toBeLessThan(toNano('0.16'));
        expect((await provider.getStanding()).frozen).toBe(frozen);
        expect((await open.dispute.getCaseState()).bond).toBe(open.bond);
    });

    it('refuses a value below bond and fees', async () => {
        const { job } = market();
        const body = job.report.demand(job.accept());
        const { demand: value } = await market().node.getValuesFor(body);

        await expectRejected(market(), 'demand', body, ErrLowValue, { value: (value * 19n) / 20n });
    });
});

describe('PostPiece', () => {
    it.each([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4],
        [5, 4],
        [9, 4],
        [33, 4],
    ])('an answer of %i pieces is delivered by %i of them, in any order', async (pieces, wanted) => {
        const { answer, result } = answerOf((pieces - 1) * PIECE_BYTES + 1);
        const open = await demand();

        for (let index = wanted - 1; index > 0; index--) {
            await post(open, answer, result, index);
            expect((await open.dispute.getCaseState()).missingPieces).toBe((1n << BigInt(index)) - 1n);
        }
        await expectAnswered(open, () => post(open, answer, result, 0));
    });

    it('that is answered pays payout and reporter by messages without a body', async () => {
        const { payout, stranger } = market();
        const { answer, result } = answerOf(1);
        const open = await demand();

        const answered = await post(open, answer, result, 0);

        const paid = [payout, stranger].flatMap(({ address }) =>
            transactionsOn(answered, address, open.dispute.address),
        );
        const bodies = paid.map(({ inMessage }) => inMessage!.body).filter(({ bits }) => bits.length < 32);
        expect(bodies.map(({ bits, refs }) => [bits.length, refs.length])).toEqual([
            [0, 0],
            [0, 0],
        ]);
    });

    it('demands the pieces from its first on, as far as there are', async () => {
        const { answer, result } = answerOf(5 * PIECE_BYTES);
        const open = await demand(3);

        await post(open, answer, result, 0);
        expect((await open.dispute.getCaseState()).missingPieces).toBe(3n);
        await post(open, answer, result, 4);
        await expectAnswered(open, () => post(open, answer, result, 3));
    });

    it.each([
        ['that ends before what was demanded, any piece shows', 2 * PIECE_BYTES],
        ['of just as many pieces as come before, any piece shows', 3 * PIECE_BYTES],
        ['without bytes, its length alone shows', 0],
    ])('of an answer %s it', async (_, bytes) => {
        const { answer, result } = answerOf(bytes);
        const open = await demand(3);

        await expectAnswered(open, () => post(open, answer, result, 0));
    });

    it('leaves in a case that owes rent what it owes', async () => {
        const { answer, result } = answerOf(2 * PIECE_BYTES);
        const open = await demand();
        const account = await market().blockchain.getContract(open.dispute.address);
        account.balance = 0n;
        market().blockchain.now! += HOUR;

        const posted = await post(open, answer, result, 1);

        const { storagePhase } = transactionsOn(posted, open.dispute.address)[0]
            .description as TransactionDescriptionGeneric;
        expect(storagePhase!.storageFeesDue).toBeGreaterThan(0n);
        expect((await market().blockchain.getContract(open.dispute.address)).balance).toBe(
            storagePhase!.storageFeesDue,
        );
    });

    it('is taken twice, and counts once', async () => {
        const { answer, result } = answerOf(2 * PIECE_BYTES);
        const open = await demand();

        await post(open, answer, result, 1);
        const { cost } = await open.dispute.getCaseState();
        await post(open, answer, result, 1);

        expect(await open.dispute.getCaseState()).toMatchObject({ missingPieces: 1n, cost });
    });

    it('behind the four that are demanded is taken, and leaves those missing', async () => {
        const { answer, result } = answerOf(6 * PIECE_BYTES);
        const open = await demand();

        await post(open, answer, result, 4);

        expect((await open.dispute.getCaseState()).missingPieces).toBe(15n);
    });

    it('is refused in everything that is not as it was signed', async () => {
        const { answer, result } = answerOf(3 * PIECE_BYTES);
        const { dispute, value } = await demand();
        const { stranger, job } = market();
        interface Parts {
            length?: number;
            index?: number;
            proof?: Buffer | Cell | null;
            piece?: Buffer | null;
            signed?: Buffer;
        }
        const send = async ({ length = answer.length, index = 0, proof = answer, piece, signed = result }: Parts) => {
            const head = beginCell()
                .storeUint(0xc0c00602, 32)
                .storeUint(0, 64)
                .storeUint(length, 32)
                .storeUint(index, 32);
            const leaf = piece === null ? null : pieceCell(piece ?? pieceOf(answer, index));
            const given = proof instanceof Cell ? proof : proof === null ? null : proofCell(proof, index);
            const body = head.storeRef(evidenceCell(signed)).storeMaybeRef(given);
            const sent = await stranger.send({ to: dispute.address, value, body: body.storeMaybeRef(leaf).endCell() });
            return sent;
        };
        const cut = answer.subarray(0, -1);
        const refused: [Parts, number][] = [
            [{ length: answer.length - 1 }, ErrWrongPiece],
            [{ length: answer.length + 1 }, ErrWrongPiece],
            [{ index: 3, piece: pieceOf(answer, 2), proof: null }, ErrWrongPiece],
            [{ index: 1, piece: pieceOf(answer, 0) }, ErrWrongPiece],
            [{ piece: pieceOf(answer, 1) }, ErrWrongPiece],
            [{ piece: pieceOf(answer, 0).subarray(0, -1) }, ErrWrongPiece],
            [{ piece: null }, ErrWrongPiece],
            [{ proof: null }, ErrWrongPiece],
            [{ proof: Buffer.concat([cut, Buffer.of(1)]) }, ErrWrongPiece],
            [{ proof: beginCell().storeUint(1, 8).endCell() }, ErrWrongPiece],
            [{ signed: answerOf(3 * PIECE_BYTES, { number: 2 }).result }, ErrWrongJob],
            [{ signed: answerOf(3 * PIECE_BYTES, { job: OTHER }).result }, ErrWrongJob],
            [{ signed: job.result({ content: answerRoot(answer) }) }, ErrWrongPiece],
            [{ signed: job.result({}, pairOf('other')) }, ErrBadSignature],
            [{ signed: job.accept() }, ErrMalformed],
        ];

        for (const [parts, exitCode] of refused) {
            expectRefused(await send(parts), { to: dispute.address, exitCode });
        }
        expect((await dispute.getCaseState()).result).toBe(0n);
    });

    it('is refused with a proof of which a cell has a second reference', async () => {
        const { answer, result } = answerOf(33 * PIECE_BYTES);
        const { dispute, value } = await demand();
        const proof = proofCell(answer, 0)!;
        expect([proof.bits.length, proof.refs.length]).toEqual([3 * 256, 1]);
        const longer = beginCell().storeSlice(proof.beginParse()).storeRef(Cell.EMPTY).endCell();
        const head = beginCell().storeUint(0xc0c00602, 32).storeUint(0, 64).storeUint(answer.length, 32);
        const body = head.storeUint(0, 32).storeRef(evidenceCell(result)).storeMaybeRef(longer);
        const leaf = pieceCell(pieceOf(answer, 0));

        const sent = await market().stranger.send({
            ...{ to: dispute.address, value, body: body.storeMaybeRef(leaf).endCell() },
        });

        expectRefused(sent, { to: dispute.address, exitCode: ErrWrongPiece });
    });

    it('that is the only one of its answer is refused under any number but 0', async () => {
        const { answer, result } = answerOf(PIECE_BYTES);
        const { dispute, value } = await demand();

        for (const index of [1, 2]) {
            const body = beginCell()
                .storeUint(0xc0c00602, 32)
                .storeUint(0, 64)
                .storeUint(answer.length, 32)
                .storeUint(index, 32)
                .storeRef(evidenceCell(result))
                .storeMaybeRef(null)
                .storeMaybeRef(pieceCell(answer));
            const sent = await market().stranger.send({ to: dispute.address, value, body: body.endCell() });
            expectRefused(sent, { to: dispute.address, exitCode: ErrWrongPiece });
        }
        expect((await dispute.getCaseState()).result).toBe(0n);
    });

    it('of an answer without pieces is refused: nobody pays for what is none', async () => {
        const { result } = answerOf(0);
        const open = await demand();
        const head = beginCell()
            .storeUint(0xc0c00602, 32)
            .storeUint(0, 64)
            .storeUint(0, 64)
            .storeRef(evidenceCell(result));
        const body = (piece: Cell | null) =>
            beginCell().storeBuilder(head).storeMaybeRef(null).storeMaybeRef(piece).endCell();
        const sent = (piece: Cell | null) =>
            market().stranger.send({ to: open.dispute.address, value: open.value, body: body(piece) });

        expectRefused(await sent(pieceCell(Buffer.alloc(1, 9))), {
            to: open.dispute.address,
            exitCode: ErrWrongPiece,
        });
        await sent(null);

        expect(await open.dispute.getCaseState()).toMatchObject({ state: 2n, outcome: 0n });
    });

    it('of another result than the first posted is refused', async () => {
        const first = answerOf(2 * PIECE_BYTES);
        const second = answerOf(2 * PIECE_BYTES, { index: 2 });
        const open = await demand();

        await post(open, first.answer, first.result, 0);
        const refused = await post(open, second.answer, second.result, 1);

        expectRefused(refused, { to: open.dispute.address, exitCode: ErrWrongPiece });
    });

    it('counts in the last second of the response window, not in the one after', async () => {
        const { blockchain } = market();
        const { answer, result } = answerOf(1);
        const open = await demand();
        const late = await aside(market(), blockchain.now! + RESPONSE + 1, () => post(open, answer, result, 0));

        expectRefused(late, { to: open.dispute.address, exitCode: ErrExpired });
        blockchain.now! += RESPONSE;
        await expectAnswered(open, () => post(open, answer, result, 0));
    });
});

describe('Every answer', () => {
    const answers = {
        piece: ({ dispute }: Open, value: bigint) => {
            const { answer, result } = answerOf(1);
            return dispute.sendPiece(via(), { value, answer, result, index: 0 });
        },
        fail: ({ dispute }: Open, value: bigint) => dispute.sendFail(via(), { value, fail: market().job.fail() }),
        voucher: ({ dispute }: Open, value: bigint) =>
            dispute.sendVoucher(via(), { value, result: market().job.result(), voucher: market().job.voucher(1) }),
    };
    const kinds = Object.keys(answers) as (keyof typeof answers)[];

    it.each(kinds)('by a %s asks for its value to the nanoTON, and ends the case for the node', async (kind) => {
        const open = await demand();

        const low = await answers[kind](open, open.value - 1n);

        expectRefused(low, { to: open.dispute.address, exitCode: ErrLowValue });
        await expectAnswered(open, () => answers[kind](open, open.value));
    });

    it.each(kinds)('by a %s is refused once the case is closed, or late', async (kind) => {
        const open = await demand();
        market().blockchain.now! += RESPONSE + 1;

        const late = await answers[kind](open, open.value);
        expectRefused(late, { to: open.dispute.address, exitCode: ErrExpired });
        await open.dispute.sendDecide(via(), { value: open.value });
        const closed = await answers[kind](open, open.value);
        expectRefused(closed, { to: open.dispute.address, exitCode: ErrWrongState });
    });

    it.each([
        ['of another query', () => market().job.fail({ number: 2 }), ErrWrongJob],
        ['of another request', () => market().job.fail({ request: Buffer.alloc(32, 8) }), ErrWrongJob],
        ['of another job', () => market().job.fail({ job: OTHER }), ErrWrongJob],
        ['by another key', () => market().job.fail({}, pairOf('other')), ErrBadSignature],
        ['that is a decline', () => market().job.decline(), ErrMalformed],
    ])('by a fail %s is refused', async (_, fail, exitCode) => {
        const { dispute, value } = await demand();

        expectRefused(await dispute.sendFail(via(), { value, fail: fail() }), { to: dispute.address, exitCode });
    });

    it.each([
        ['whose count does not reach the result', { index: 2 }, () => market().job.voucher(1), ErrNothingNew],
        ['beside the result of another query', { number: 2 }, () => market().job.voucher(1), ErrWrongJob],
        ['beside the result of another job', { job: OTHER }, () => market().job.voucher(1), ErrWrongJob],
        ['by another key', {}, () => signedVoucher({}, 'receipt'), ErrBadSignature],
        ['of another channel', {}, () => signedVoucher({ channel: Buffer.alloc(32, 6) }), ErrBadSignature],
        ['of another network', {}, () => signedVoucher({ network: -3 }), ErrBadSignature],
        ['whose sum was not signed', {}, () => ({ ...market().job.voucher(1), cumulative: 2n }), ErrBadSignature],
    ])('by a voucher %s is refused', async (_, result, voucher, exitCode) => {
        const { dispute, value } = await demand();

        const sent = await dispute.sendVoucher(via(), {
            value,
            result: market().job.result(result),
            voucher: voucher(),
        });

        expectRefused(sent, { to: dispute.address, exitCode });
    });

    it('by a voucher of the result’s own count ends the case', async () => {
        const open = await demand();
        const args = { value: open.value, result: market().job.result({ index: 5 }), voucher: market().job.voucher(5) };

        await expectAnswered(open, () => open.dispute.sendVoucher(via(), args));
    });
});

describe('The end of a demand', () => {
    const answers: Record<string, (open: Open) => ReturnType<typeof post>> = {
        'a piece': ({ dispute, value }) =>
            dispute.sendPiece(via(), { value, queryId: 7n, ...answerOf(PIECE_BYTES), index: 0 }),
        'a fail': ({ dispute, value }) => dispute.sendFail(via(), { value, queryId: 7n, fail: market().job.fail() }),
        'a voucher': ({ dispute, value }) => {
            const voucher = market().job.voucher(1);
            return dispute.sendVoucher(via(), { value, queryId: 7n, result: market().job.result(), voucher });
        },
    };

    it.each(Object.keys(answers))('by %s says innocent, and carries the query id of the message', async (name) => {
        const { provider } = market();
        const open = await demand();

        const [told] = transactionsOn(await answers[name](open), provider.address);

        const body = told.inMessage!.body.beginParse();
        expect([body.loadUint(32), body.loadUint(64), body.loadUint(2)]).toEqual([opcodes.CaseClosed, 7, 0]);
    });
});

function signedVoucher(overrides: { network?: number; channel?: Buffer }, by = 'voucher') {
    const fields = { network: NETWORK, channel: market().job.channel, cumulative: 1n, count: 1, ...overrides };
    return { cumulative: 1n, count: 1, signature: pairOf(by).sign(Voucher.hash(fields)) };
}

describe('An unanswered demand', () => {
    const decide = ({ dispute, value }: Open) =>
        expectConserved(market().blockchain, () => dispute.sendDecide(via(), { value }));

    it('is decided by anyone in the second after the window, not before', async () => {
        const { blockchain, provider, node } = market();
        const open = await demand();
        const loss = toNano('0.05');
        const { cost } = await node.getReportValues(0n, 0n);

        blockchain.now! += RESPONSE;
        expectRefused(await decide(open), { to: open.dispute.address, exitCode: ErrTooEarly });
        blockchain.now! += 1;
        const result = await expectSlashed(market(), () => decide(open), partsOf(2n * loss + loss / 100n, loss, cost));

        expect(valueSent(result, open.dispute, market().stranger)).toBe(open.bond);
        expect(await open.dispute.getCaseState()).toMatchObject({ state: 2n, outcome: 1n, bond: 0n });
        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, strikes: 1n, jailedUntil: 0n });
        expect((await node.getNodeRecord()).silentAt).toBe(BigInt(blockchain.now!));
        await expectSolvent(market());
    });

    it('costs the step where that is less than the ceiling', async () => {
        const { job, blockchain, node } = market();
        const open = await demand(0, job.accept({ ceiling: toNano('7') }));
        const { cost } = await node.getReportValues(0n, 0n);
        const loss = job.terms.step;
        blockchain.now! += RESPONSE + 1;

        await expectSlashed(market(), () => decide(open), partsOf(2n * loss + loss / 100n, loss, cost));
    });

    it('costs two percent more for a deadline after the last slash', async () => {
        const { job, blockchain, node } = market();
        blockchain.now! += 1;
        const open = await demand();
        blockchain.now! += RESPONSE + 1;
        await decide(open);
        const slashedAt = blockchain.now!;
        blockchain.now! += HOUR;
        const loss = toNano('0.05');
        const { cost } = await node.getReportValues(0n, 0n);

        for (const [number, deadline, percent] of [
            [2, slashedAt, 1n],
            [3, slashedAt + 1, 2n],
        ] as const) {
            const fresh = blockchain.snapshot();
            await report(market(), 'demand', job.report.demand(job.accept({ number, deadline })));
            const dispute = await job.dispute('A3', number);
            const value = await dispute.getCloseValue();
            blockchain.now! += RESPONSE + 1;
            await expectSlashed(
                market(),
                () => dispute.sendDecide(via(), { value }),
                partsOf(2n * loss + (loss * percent) / 100n, loss, cost),
            );
            await blockchain.loadFrom(fresh);
            blockchain.now = slashedAt + HOUR;
        }
    });

    it('is decided once', async () => {
        const open = await demand();
        market().blockchain.now! += RESPONSE + 1;
        await decide(open);

        expectRefused(await decide(open), { to: open.dispute.address, exitCode: ErrWrongState });
    });

    it('is decided for its value to the nanoTON', async () => {
        const open = await demand();
        market().blockchain.now! += RESPONSE + 1;

        const low = await open.dispute.sendDecide(via(), { value: open.value - 1n });

        expectRefused(low, { to: open.dispute.address, exitCode: ErrLowValue });
    });

    it('makes a signed fail of the node’s own, kept back until then, worth nothing', async () => {
        const open = await demand();
        market().blockchain.now! += RESPONSE + 1;
        await decide(open);

        const late = await open.dispute.sendFail(via(), { value: open.value, fail: market().job.fail() });

        expectRefused(late, { to: open.dispute.address, exitCode: ErrWrongState });
    });
});

describe('A Dispute', () => {
    it('that a stranger deployed first, with money, is opened all the same', async () => {
        const { job, stranger } = market();
        const dispute = await job.dispute('A3');
        await stranger.send({ to: dispute.address, value: toNano('3'), init: dispute.init!, bounce: false });
        expect(await dispute.getCaseState()).toMatchObject({ state: 0n, result: 0n, outcome: -1n });

        const open = await demand();
        await expectAnswered(open, () => open.dispute.sendFail(via(), { value: open.value, fail: job.fail() }));
    });

    it('is opened by nobody but its Provider', async () => {
        const { job, stranger } = market();
        const dispute = await job.dispute('A3');
        const junk = beginCell().storeUint(0xc0c00601, 32).storeUint(0, 256).storeRef(beginCell().endCell());
        const body = junk.storeRef(beginCell().endCell()).endCell();

        const result = await stranger.send({ to: dispute.address, value: toNano('1'), init: dispute.init!, body });

        expectRefused(result, { to: dispute.address, exitCode: ErrNotProvider });
        await demand();
    });

    it('answers no receipt that was signed with a byte too many', async () => {
        const { dispute, value } = await demand();
        const { job } = market();
        const long = signedReceipt(Buffer.concat([job.fail().subarray(0, -64), Buffer.alloc(1)]), job.receiptKey);

        expectRefused(await dispute.sendFail(via(), { value, fail: long }), {
            to: dispute.address,
            exitCode: ErrMalformed,
        });
    });
});
