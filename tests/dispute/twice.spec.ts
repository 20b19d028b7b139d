// Longer than 350 lines because its cases share one set-up.
/** A1: receipts that exclude each other. */
import { beginCell, toNano } from '@ton/core';

import { errors } from '@cocoon-market/wrappers';
import { reports } from '../../wrappers/evidence';
import { nodeChanges } from '../../wrappers/Node';
import { Result } from '../../wrappers/signed/payloads';
import { jobHash } from '../../wrappers/signed/terms';
import {
    aside,
    caseMarket,
    expectRejected,
    expectSlashed,
    expectNoSlash,
    NodeJob,
    partsOf,
    report,
    slashesIn,
    useCases,
} from '../support/cases';
import { expectRefused, transactionsOn } from '../support/chain';
import { rentOf, valueSent } from '../support/market';
import { changeNode, DAY, expectSolvent, HOUR, keyOf, pairOf, RATE } from '../support/stake';
import { signedReceipt } from '../support/keys';

const EVIDENCE = 120 * HOUR;
const SHARE = 2n * RATE;
const market = useCases(() => caseMarket());
const costOf = async () => (await market().node.getReportValues(0n, 0n)).cost;
const { ErrNoFault, ErrWrongJob, ErrBadSignature, ErrMalformed, ErrUnknownKey, ErrExpired, ErrTooEarly } = errors;
const SKEW = 60; // seconds by which clocks may differ
const { ErrLowValue, ErrNoShare, ErrWrongState, ErrNotNode, ErrNotProvider } = errors;

/** Two results of one query. */
function pair(job = market().job, overrides: Partial<Result> = {}) {
    return job.report.twice(job.result(overrides), job.result({ ...overrides, index: 2 }));
}

describe('ReportTwice', () => {
    it('slashes a fifth of the share for two results of one query: victim, reporter, insurance, to the nanoTON', async () => {
        const { job, stranger, provider } = market();
        const body = job.report.twice(job.result(), job.result({ index: 2, price: 500n }));

        const result = await expectSlashed(
            market(),
            () => report(market(), 'twice', body),
            partsOf(SHARE / 5n, 500n, await costOf()),
        );

        expect(valueSent(result, provider, stranger)).toBeGreaterThan(SHARE / 50n);
        await expectSolvent(market());
    });

    it.each([
        ['two results of one index', () => [market().job.result(), market().job.result({ number: 2 })]],
        ['a result and a fail of one query', () => [market().job.result(), market().job.fail()]],
        ['a fail and a result of one query', () => [market().job.fail(), market().job.result()]],
        [
            'two results that differ in their time alone',
            () => [market().job.result(), market().job.result({ finishedAt: market().blockchain.now! - 1 })],
        ],
    ])('takes %s', async (_, receipts) => {
        const [first, second] = receipts();

        const result = await report(market(), 'twice', market().job.report.twice(first, second));

        expect(slashesIn(result)).toHaveLength(1);
    });

    it.each([
        ['one receipt shown twice', () => [market().job.result(), market().job.result()], ErrNoFault],
        [
            'results of other queries and indexes',
            () => [market().job.result(), market().job.result({ number: 2, index: 2 })],
            ErrNoFault,
        ],
        [
            'a result and the fail of another query',
            () => [market().job.result(), market().job.fail({ number: 2 })],
            ErrNoFault,
        ],
        ['two fails', () => [market().job.fail(), market().job.fail({ reason: 9 })], ErrNoFault],
        [
            'a fail whose number is the index of a result',
            () => [market().job.result({ number: 7, index: 1 }), market().job.fail({ number: 1 })],
            ErrNoFault,
        ],
        ['a result and a decline', () => [market().job.result(), market().job.decline()], ErrMalformed],
        ['a result and its accept', () => [market().job.result(), market().job.accept()], ErrMalformed],
        [
            'a result by another key',
            () => [market().job.result(), market().job.result({ index: 2 }, pairOf('other'))],
            ErrBadSignature,
        ],
        [
            'a fail by another key',
            () => [market().job.result(), market().job.fail({}, pairOf('other'))],
            ErrBadSignature,
        ],
    ])('refuses as evidence: %s', async (_, receipts, exitCode) => {
        const [first, second] = receipts();

        await expectRejected(market(), 'twice', market().job.report.twice(first, second), exitCode);
    });

    it('refuses receipts of two jobs', async () => {
        const { job } = market();
        const other = new NodeJob(market(), Buffer.alloc(32, 6), market().victim.address);

        await expectRejected(
            market(),
            'twice',
            job.report.twice(job.result(), other.result({ index: 2 })),
            ErrWrongJob,
        );
        await expectRejected(market(), 'twice', job.report.twice(job.result(), other.fail()), ErrWrongJob);
    });

    it('refuses receipts of another network', async () => {
        const { job } = market();
        const foreign = { job: jobHash(-3, job.channel, job.terms) };

        await expectRejected(market(), 'twice', pair(job, foreign), ErrWrongJob);
    });

    it('refuses receipts under other terms than those they were signed for', async () => {
        const { job } = market();
        const [first, second] = [job.result(), job.result({ index: 2 })];
        const thief = { ...job.terms, escrow: market().stranger.address.hash };
        const body = reports.twice({ channel: job.channel, terms: thief, first, second, code: market().codes.dispute });

        await expectRejected(market(), 'twice', body, ErrWrongJob);
    });

    it('refuses the terms of another node', async () => {
        const { victim } = market();
        const job = new NodeJob(market(), Buffer.alloc(32, 5), victim.address, { node: Buffer.alloc(32, 1) });

        await expectRejected(market(), 'twice', pair(job), ErrWrongJob);
    });

    it('refuses a key that is none of this node’s, and key 0', async () => {
        const { victim } = market();
        const other = new NodeJob(market(), Buffer.alloc(32, 5), victim.address, {
            receiptKey: pairOf('other').publicKey,
        });
        const none = new NodeJob(market(), Buffer.alloc(32, 5), victim.address, { receiptKey: Buffer.alloc(32) });
        const signed = (index: number) => other.result({ index }, pairOf('other'));

        await expectRejected(market(), 'twice', other.report.twice(signed(1), signed(2)), ErrUnknownKey);
        await expectRejected(market(), 'twice', pair(none), ErrBadSignature);
    });

    it('refuses receipts that are a byte short, a byte long, or of another tag', async () => {
        const { job } = market();
        const payload = job.result({ index: 2 }).subarray(0, -64);
        const tagged = Buffer.concat([Buffer.from('c0c0aa01', 'hex'), payload.subarray(4)]);

        for (const odd of [payload.subarray(0, -1), Buffer.concat([payload, Buffer.alloc(1)]), tagged]) {
            const body = job.report.twice(job.result(), signedReceipt(odd, job.receiptKey));
            await expectRejected(market(), 'twice', body, ErrMalformed);
        }
    });

    it('refuses a signature of a bit more, and evidence without a payload', async () => {
        const good = pair();
        const parse = good.beginParse();
        const head = parse.loadBits(parse.remainingBits);
        const [terms, first, , code] = good.refs;
        const long = beginCell().storeUint(0, 513).storeRef(first.refs[0]).endCell();
        const bare = beginCell().storeUint(0, 512).endCell();

        for (const odd of [long, bare]) {
            const body = beginCell().storeBits(head).storeRef(terms).storeRef(first);
            body.storeRef(odd).storeRef(code);
            await expectRejected(market(), 'twice', body.endCell(), ErrMalformed);
        }
    });

    it('asks for its value, which carries the code of the Dispute', async () => {
        const { twice } = await market().node.getValuesFor(pair());

        await expectRejected(market(), 'twice', pair(), ErrLowValue, { value: (twice * 19n) / 20n });
        expect(slashesIn(await report(market(), 'twice', pair(), { value: twice }))).toHaveLength(1);
    });

    it('counts until the last second of the window after the later date', async () => {
        const { job, blockchain } = market();
        const later = blockchain.now!;
        const body = job.report.twice(job.result({ finishedAt: later - DAY }), job.fail({ signedAt: later }));

        await aside(market(), later + EVIDENCE + 1, () => expectRejected(market(), 'twice', body, ErrExpired));
        blockchain.now = later + EVIDENCE;
        expect(slashesIn(await report(market(), 'twice', body))).toHaveLength(1);
    });

    it('counts from the date on, not before', async () => {
        const { blockchain } = market();
        const ahead = pair(market().job, { finishedAt: blockchain.now! + 60 });

        await expectRejected(market(), 'twice', ahead, ErrTooEarly);
        blockchain.now! += 59;
        await expectRejected(market(), 'twice', ahead, ErrTooEarly);
        blockchain.now! += 1;
        expect(slashesIn(await report(market(), 'twice', ahead))).toHaveLength(1);
    });

    it('counts receipts dated up to the clock skew after their key ended, none of the second after', async () => {
        const { blockchain, node } = market();
        const end = blockchain.now! + DAY;
        await changeNode(market(), nodeChanges.keys({ receiptKey: keyOf('next'), encryptionKey: 7n, oldEndsAt: end }));
        blockchain.now = end + HOUR;

        await expectRejected(market(), 'twice', pair(market().job, { finishedAt: end + SKEW + 1 }), ErrUnknownKey);
        expect(slashesIn(await report(market(), 'twice', pair(market().job, { finishedAt: end + SKEW })))).toHaveLength(
            1,
        );
        expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(BigInt(end));
        expect((await node.getNodeState()).receiptKey).toBe(keyOf('next'));
    });

    it('kills the key: it signs no more, and is in no second slash for the same job', async () => {
        const { blockchain, node, job } = market();
        await report(market(), 'twice', pair());

        const ended = await node.getEndedKey(0n);
        expect(ended).toMatchObject({
            key: keyOf('receipt'),
            endsAt: BigInt(blockchain.now!),
            freeAt: BigInt(blockchain.now! + DAY + SKEW + EVIDENCE),
            slashed: SHARE / 5n,
        });
        expect((await node.getNodeState()).receiptKey).toBe(0n);
        await expectNoSlash(market(), () => report(market(), 'twice', pair()));
        await expectNoSlash(market(), () => report(market(), 'twice', job.report.twice(job.result(), job.fail())));
        blockchain.now! += SKEW + 1;
        const after = job.result({ finishedAt: blockchain.now!, price: toNano('1') });
        await expectRejected(market(), 'excess', job.report.excess(after), ErrUnknownKey);
    });

    it('takes the whole share from a key whose receipts are dated after the last slash, a fifth from one before', async () => {
        const { blockchain, victim } = market();
        const slashedAt = blockchain.now!;
        await report(market(), 'twice', pair());
        const withKey = async (name: string, date: number) => {
            const keys = { receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: blockchain.now! };
            await changeNode(market(), nodeChanges.keys(keys));
            const job = new NodeJob(market(), Buffer.alloc(32, 5), victim.address, {
                receiptKey: pairOf(name).publicKey,
            });
            Object.assign(job, { receiptKey: pairOf(name) });
            blockchain.now = Math.max(date, blockchain.now!);
            return slashesIn(await report(market(), 'twice', pair(job, { finishedAt: date })))[0].amounts.amount;
        };

        expect(await withKey('second', slashedAt)).toBe(SHARE / 5n);
        const last = blockchain.now!;
        expect(await withKey('third', last + 1)).toBe(SHARE);
    });

    it('takes no more from a key than the share, and nothing once that is gone', async () => {
        const { job, node } = market();
        const large = job.result({ number: 2, index: 2, cumulative: toNano('100') });
        await report(market(), 'excess', job.report.excess(large, job.result()));
        expect((await node.getEndedKey(0n)).slashed).toBe(SHARE);

        await expectRejected(market(), 'twice', pair(), ErrNoShare);
    });

    it('counts for a node that closed, from the share it had, until that could be gone', async () => {
        const { provider, owner, job } = market();
        await provider.sendCloseNode(owner.getSender(), { value: toNano('1'), number: 0 });

        const parts = partsOf(SHARE / 5n, await priceOf(job), await costOf());
        await expectSlashed(market(), () => report(market(), 'twice', pair()), parts);
        expect((await provider.getProviderState()).nodes).toBe(0n);
    });

    it('is refused by a node that never started', async () => {
        const { blockchain, provider, stranger, victim } = market();
        const { Node } = await import('../../wrappers/Node');
        const node = blockchain.openContract(await Node.ofProvider(provider.address, 7));
        const init = node.init!;
        await stranger.send({ to: node.address, value: toNano('1'), init, bounce: false });
        const job = new NodeJob({ ...market(), node }, Buffer.alloc(32, 5), victim.address);

        await expectRejected(market(), 'twice', pair(job), ErrWrongState, { node, value: toNano('1') });
    });

    it('pays the reporter who came first; one who copies the evidence has his value back', async () => {
        const { owner } = market();
        const body = pair();
        await report(market(), 'twice', body);
        const before = await owner.getBalance();

        await expectNoSlash(market(), () => report(market(), 'twice', body, { by: owner, value: toNano('2') }));
        expect(before - (await owner.getBalance())).toBeLessThan(toNano('0.2'));
    });

    it('slashes while the registry is paused', async () => {
        const { registry, governor } = market();
        await registry.sendSetPaused(governor.getSender(), { value: toNano('1'), paused: true });

        expect(slashesIn(await report(market(), 'twice', pair()))).toHaveLength(1);
    });

    it('ends for a provider that has let its rent run up for ten years', async () => {
        const { blockchain, provider, node, stranger } = market();
        await node.sendRent(stranger.getSender(), { value: toNano('2') });
        const { reserve } = await provider.getProviderState();
        blockchain.now! += 10 * 365 * DAY;

        const result = await report(market(), 'twice', pair());

        const [tx] = transactionsOn(result, provider.address);
        expect(rentOf(tx)).toBeGreaterThan(reserve * 5n);
        expect(slashesIn(result)[0].amounts.amount).toBe(SHARE / 5n);
    });
});

async function priceOf(job: NodeJob): Promise<bigint> {
    return Promise.resolve(Result.decode(job.result().subarray(0, -64)).price);
}

describe('What a node says of faults', () => {
    it('is taken from nobody else by its Provider', async () => {
        const { provider, node, stranger } = market();
        const sent = await report(market(), 'twice', pair());
        const found = sent.transactions.find(
            (tx) =>
                tx.inMessage?.info.type === 'internal' &&
                tx.inMessage.info.src.equals(node.address) &&
                tx.inMessage.info.dest.equals(provider.address),
        );
        const body = found!.inMessage!.body;

        const result = await expectNoSlash(market(), () =>
            stranger.send({ to: provider.address, value: toNano('1'), body }),
        );

        expectRefused(result, { to: provider.address, exitCode: ErrNotNode });
    });

    it('is asked by nobody but its Provider', async () => {
        const { node, stranger } = market();
        const body = beginCell()
            .storeUint(0xc0c00331, 32)
            .storeUint(0, 64 + 8 + 64)
            .storeAddress(stranger.address);
        const take = body.storeRef(beginCell().endCell()).storeRef(beginCell().endCell()).endCell();

        const result = await stranger.send({ to: node.address, value: toNano('1'), body: take });

        expectRefused(result, { to: node.address, exitCode: ErrNotProvider });
    });
});
