/** Who gets what by each class and ending, from the table in docs/contracts/dispute.md: nobody gains by being asked. */
import { beginCell, Cell, CommonMessageInfoInternal, toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';

import { computeFee, forwardFee, gas, opcodes, pricesOf } from '@cocoon-market/wrappers';
import { networkConfig } from '../../localnet/config';
import { loadFault } from '../../wrappers/bodies';
import { evidenceCell } from '../../wrappers/evidence';
import type { Size } from '../../wrappers/prices';
import { answerRoot, contentHash, pieceCell, pieceOf, proofCell } from '../../wrappers/signed/answer';
import { caseMarket, NodeJob, report, REQUEST, useCases, votes } from '../support/cases';
import { PriceLevel, transactionsOn, withoutValidators } from '../support/chain';
import { valueSent } from '../support/market';
import { DAY, HOUR } from '../support/stake';

const answer = Buffer.alloc(3 * 16384 + 1, 3);

describe('A demand that is answered when gas has become dearer than its bond', () => {
    const market = useCases(() => caseMarket({ prices: '2026' }));

    it('ends, and the payout gets the bond and no more', async () => {
        const { job, payout, stranger, blockchain } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        const { bond } = await dispute.getCaseState();
        const usual = blockchain.config;
        blockchain.setConfig(withoutValidators(networkConfig('tenfold')));
        const result = job.result({ content: contentHash(REQUEST, answerRoot(answer)) });
        let last!: SendMessageResult;
        for (const index of [0, 1, 2, 3]) {
            last = await dispute.sendPiece(payout.getSender(), { value: toNano('10'), answer, index, result });
        }
        blockchain.setConfig(usual);

        expect(await dispute.getCaseState()).toMatchObject({ outcome: 0n, bond: 0n });
        expect(valueSent(last, dispute, payout)).toBe(bond);
        expect(transactionsOn(last, stranger.address, dispute.address)).toEqual([]);
    });
});

describe('A case whose rent has left nothing of its bond', () => {
    const market = useCases(caseMarket);

    it('pays nobody for an answer', async () => {
        const { job, payout, stranger, blockchain } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await job.dispute('A3');
        (await blockchain.getContract(dispute.address)).balance = 0n;

        const answered = { value: toNano('1'), result: job.result(), voucher: job.voucher(1) };
        const result = await dispute.sendVoucher(stranger.getSender(), answered);

        expect(await dispute.getCaseState()).toMatchObject({ outcome: 0n, bond: 0n });
        expect(transactionsOn(result, payout.address, dispute.address)).toEqual([]);
        expect(transactionsOn(result, stranger.address, dispute.address)).toEqual([]);
    });
});

describe('A case whose rent has left one nanoTON of its bond', () => {
    const market = useCases(caseMarket);

    /** The case of this class, with the one nanoTON. */
    async function drained(faultClass: 'A3' | 'B1') {
        const dispute = await market().job.dispute(faultClass);
        (await market().blockchain.getContract(dispute.address)).balance = 1n;
        return dispute;
    }

    it('pays it to the payout for an answer', async () => {
        const { job, payout, stranger } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));
        const dispute = await drained('A3');

        const answered = { value: toNano('1'), result: job.result(), voucher: job.voucher(1) };
        const result = await dispute.sendVoucher(stranger.getSender(), answered);

        expect(valueSent(result, dispute, payout)).toBe(1n);
    });

    it('pays it to the owner for a statement that the committee did not decide about', async () => {
        const { job, owner, stranger, blockchain } = market();
        await report(market(), 'wrong', job.report.wrong(job.result()));
        const dispute = await job.dispute('B1');
        await dispute.sendStatement(owner.getSender(), { value: toNano('1'), statement: Buffer.alloc(32, 1) });
        blockchain.now = Number((await dispute.getCaseState()).decideFrom) + 1;
        await stranger.send({ to: dispute.address, value: toNano('0.1') }); // takes the rent of that time
        await drained('B1');

        const result = await dispute.sendDecide(stranger.getSender(), { value: toNano('1') });

        expect(valueSent(result, dispute, owner)).toBe(1n);
    });
});

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('At the prices of %s', (prices) => {
    const market = useCases(() => caseMarket({ prices }));

    /** All that the provider's side has: its wallets, stake, slots, and what its accounts hold beside. */
    async function held(): Promise<bigint> {
        const { owner, payout, provider, node, blockchain } = market();
        const accounts = [provider.address, node.address];
        const balances = await Promise.all(accounts.map(async (each) => (await blockchain.getContract(each)).balance));
        return balances.reduce(
            (sum, balance) => sum + balance,
            (await owner.getBalance()) + (await payout.getBalance()),
        );
    }

    /** What the provider's side gained by all that the action does. */
    async function gain(action: () => Promise<void>): Promise<bigint> {
        const before = await held();
        await action();
        return (await held()) - before;
    }

    const ask = async (kind: 'demand' | 'wrong') => {
        const { job, stranger, insurance } = market();
        const body = kind === 'demand' ? job.report.demand(job.accept()) : job.report.wrong(job.result({ content }));
        await report(market(), kind, body);
        const dispute = await job.dispute(kind === 'demand' ? 'A3' : 'B1');
        const { bond } = await dispute.getCaseState();
        const before = { reporter: await stranger.getBalance(), insurance: await insurance.getBalance() };
        const after = async () => ({
            reporter: (await stranger.getBalance()) - before.reporter,
            insurance: (await insurance.getBalance()) - before.insurance,
        });
        return { dispute, bond, value: await dispute.getCloseValue(), after };
    };

    const content = contentHash(REQUEST, answerRoot(answer));
    const answers: Record<string, (job: NodeJob, open: Awaited<ReturnType<typeof ask>>) => Promise<void>> = {
        pieces: async (job, { dispute, value }) => {
            for (const index of [0, 1, 2, 3]) {
                const result = job.result({ content });
                await dispute.sendPiece(market().payout.getSender(), { value, answer, index, result });
            }
        },
        'a fail': async (job, { dispute, value }) => {
            await dispute.sendFail(market().payout.getSender(), { value, fail: job.fail() });
        },
        'a voucher': async (job, { dispute, value }) => {
            const args = { value, result: job.result({ content }), voucher: job.voucher(1) };
            await dispute.sendVoucher(market().payout.getSender(), args);
        },
    };

    it.each(Object.keys(answers))(
        'A3 answered with %s: the payout gets its cost and no more, the reporter the rest of the bond',
        async (name) => {
            let open!: Awaited<ReturnType<typeof ask>>;
            const before = await market().payout.getBalance();
            const gained = await gain(async () => {
                open = await ask('demand');
                await answers[name](market().job, open);
            });

            const { reporter, insurance } = await open.after();
            const lost = before - (await market().payout.getBalance());
            expect(await open.dispute.getCaseState()).toMatchObject({ outcome: 0n, slash: 0n });
            expect(gained).toBeLessThanOrEqual(0n);
            expect(lost).toBeGreaterThanOrEqual(0n);
            expect(lost).toBeLessThan(open.bond / 12n);
            expect(insurance).toBe(0n);
            expect(reporter).toBeGreaterThan(name === 'pieces' ? 0n : (open.bond * 9n) / 10n);
        },
    );

    it.each([
        ['a node that has its rent', undefined],
        ['a node that lacks rent, which the reporter pays', 1n],
    ])('A3 of %s: the payout gets the cost less the rent of the report, to the nanoTON', async (_, balance) => {
        const { job, node, payout, blockchain, provider } = market();
        if (balance !== undefined) {
            (await blockchain.getContract(node.address)).balance = balance;
        }
        const { basechain } = pricesOf(blockchain.config);
        const { dispute, value } = await ask('demand');
        const [fault] = (await dispute.getCaseFile())!.refs;
        const { rent } = loadFault(fault.beginParse());
        expect(rent > 0n).toBe(balance !== undefined);
        const { reserve } = await provider.getProviderState();

        let last!: SendMessageResult;
        for (const index of [0, 1, 2, 3]) {
            const result = job.result({ content });
            last = await dispute.sendPiece(payout.getSender(), { value, answer, index, result });
        }

        const { cost } = await dispute.getCaseState();
        const release = 2n * forwardFee(basechain, { cells: 0n, bits: 467n }); // to the node and back
        const end = computeFee(basechain, gas.GasAnswered) + release;
        expect(valueSent(last, dispute, payout)).toBe(cost + end - rent - reserve / 52n); // a week's rent
    });

    it.each(['fail', 'voucher'])('A3 answered with a %s: it cost its way, its run and the way back', async (name) => {
        const { job, payout, blockchain } = market();
        const { basechain } = pricesOf(blockchain.config);
        const { dispute, value } = await ask('demand');
        const via = payout.getSender();

        const sent = await (name === 'fail'
            ? dispute.sendFail(via, { value, fail: job.fail() })
            : dispute.sendVoucher(via, { value, result: job.result({ content }), voucher: job.voucher(1) }));

        const [{ inMessage }] = transactionsOn(sent, dispute.address);
        const twiceForward = 3n * (inMessage!.info as CommonMessageInfoInternal).forwardFee; // the header has two thirds
        const back = forwardFee(basechain, { cells: 0n, bits: 0n });
        const { cost } = await dispute.getCaseState();
        expect(cost).toBeGreaterThan(twiceForward + back);
        expect(cost).toBeLessThan(twiceForward + back + computeFee(basechain, gas.GasCloseCase));
    });

    it.each<[string, number, Size]>([
        ['a fail', gas.GasCloseCase, { cells: 4n, bits: 2600n }],
        ['a piece', gas.GasPostPiece, { cells: 140n, bits: 140_000n }],
    ])('A3 answered with %s and more: it cost no more than such a message needs', async (name, most, size) => {
        const { job, payout, blockchain } = market();
        const { basechain } = pricesOf(blockchain.config);
        const { dispute, value } = await ask('demand');
        const more = Array.from({ length: 200 }).reduce<Cell>(
            (next, _, i) => beginCell().storeUint(i, 1000).storeRef(next).endCell(),
            Cell.EMPTY,
        );
        const head = (opcode: number) => beginCell().storeUint(opcode, 32).storeUint(0, 64);
        const pieces = head(opcodes.PostPiece)
            .storeUint(answer.length, 32)
            .storeUint(0, 32)
            .storeRef(evidenceCell(job.result({ content })))
            .storeMaybeRef(proofCell(answer, 0))
            .storeMaybeRef(pieceCell(pieceOf(answer, 0)));
        const needed = name === 'a fail' ? head(opcodes.PostFail).storeRef(evidenceCell(job.fail())) : pieces;

        await payout.send({ to: dispute.address, value, body: needed.storeRef(more).endCell() });

        const cap = 2n * forwardFee(basechain, size) + computeFee(basechain, most);
        const back = forwardFee(basechain, { cells: 0n, bits: 0n });
        expect((await dispute.getCaseState()).cost).toBe(cap + back);
    });

    it('A3 unanswered: the bond is the reporter’s again, and the stake pays', async () => {
        let open!: Awaited<ReturnType<typeof ask>>;
        const gained = await gain(async () => {
            open = await ask('demand');
            market().blockchain.now! += DAY + 1;
            await open.dispute.sendDecide(market().payout.getSender(), { value: open.value });
        });

        expect((await open.after()).reporter).toBeGreaterThan((open.bond * 99n) / 100n); // less what his wallet takes
        expect(gained).toBeLessThan(-toNano('0.1'));
    });

    it.each([
        ['acquitted: the bond is the insurance’s', 0],
        ['convicted: the bond is the reporter’s again', 500],
    ])('B1 %s, and nothing the provider’s', async (_, basisPoints) => {
        let open!: Awaited<ReturnType<typeof ask>>;
        const gained = await gain(async () => {
            const { owner, payout, blockchain } = market();
            open = await ask('wrong');
            const { dispute, value } = open;
            await dispute.sendStatement(owner.getSender(), { value, statement: Buffer.alloc(32, 1) });
            const verdict = { basisPoints, validUntil: blockchain.now! + HOUR };
            const signed = votes((await dispute.getFile())!, dispute.address, verdict, [0, 1]);
            await dispute.sendVerdict(payout.getSender(), { value, ...verdict, votes: signed });
        });

        const { reporter, insurance } = await open.after();
        expect(gained).toBeLessThanOrEqual(0n);
        if (basisPoints === 0) {
            expect(reporter).toBe(0n);
            expect(insurance).toBeGreaterThan((open.bond * 99n) / 100n);
        } else {
            expect(reporter).toBeGreaterThan((open.bond * 99n) / 100n);
        }
    });

    it('B1 without a verdict after a statement: the owner gets its cost and no more, the reporter the rest of the bond', async () => {
        let open!: Awaited<ReturnType<typeof ask>>;
        const { owner, blockchain, payout } = market();
        const before = await owner.getBalance();
        const gained = await gain(async () => {
            open = await ask('wrong');
            for (const byte of [1, 2]) {
                const statement = Buffer.alloc(32, byte);
                await open.dispute.sendStatement(owner.getSender(), { value: toNano('1'), statement });
            }
            blockchain.now! += 97 * HOUR;
            await open.dispute.sendDecide(payout.getSender(), { value: open.value });
        });

        const { reporter } = await open.after();
        const lost = before - (await owner.getBalance());
        const { cost } = await open.dispute.getCaseState();
        expect(gained).toBeLessThanOrEqual(0n);
        expect(lost).toBeGreaterThan(0n);
        expect(reporter).toBeLessThan(open.bond - cost / 2n);
        expect(reporter).toBeGreaterThan(open.bond - 2n * cost);
    });

    it('B1 without a verdict: the bond is the reporter’s again, and nothing the provider’s', async () => {
        let open!: Awaited<ReturnType<typeof ask>>;
        const gained = await gain(async () => {
            open = await ask('wrong');
            market().blockchain.now! += 97 * HOUR;
            await open.dispute.sendDecide(market().payout.getSender(), { value: open.value });
        });

        const { reporter, insurance } = await open.after();
        expect(reporter).toBeGreaterThan((open.bond * 99n) / 100n);
        expect(insurance).toBe(0n);
        expect(gained).toBeLessThanOrEqual(0n);
    });

    it.each(['A1', 'A2'])(
        '%s costs the provider the slash, also where it is its own victim and reporter',
        async (name) => {
            const { job, owner, provider, payout } = market();
            const own = new NodeJob(market(), job.channel, owner.address);
            const price = toNano('100');
            const slashed = async () => {
                const { stake, unbonding } = await provider.getProviderState();
                return stake + unbonding;
            };
            const before = await slashed();

            const gained = await gain(async () => {
                const body =
                    name === 'A1'
                        ? own.report.twice(own.result({ price }), own.fail())
                        : own.report.excess(own.result({ price }));
                await report(market(), name === 'A1' ? 'twice' : 'excess', body, { by: payout });
            });

            const taken = before - (await slashed());
            expect(taken).toBeGreaterThan(0n);
            expect(gained).toBeLessThanOrEqual(-taken / 2n);
        },
    );
});
