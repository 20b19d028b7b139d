// Longer than 350 lines because its cases share one set-up.
/**
 * A node code that an owner adopts by hand counts for what was counted for it, and touches nothing of another version.
 */
import { beginCell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';

import { errors } from '@cocoon-market/wrappers';
import { nodeChanges } from '../../wrappers/Node';
import { CaseMarket, caseMarket, NodeJob, report, slashesIn, useCases, votes } from '../support/cases';
import { expectConserved, expectRefused, PriceLevel } from '../support/chain';
import { adoptCode, ForeignNode, foreignCode, foreignOf, registerForeign, say, sayings } from '../support/foreign';
import { changeNode, DAY, expectSolvent, HOUR, keyOf, listingWith, pairOf, RATE, STAKE } from '../support/stake';

const SHARE = 2n * RATE; // of the honest node
const FOREIGN = RATE; // of the foreign one
const VALUE = toNano('10');
const MUCH = toNano('1000');

type CodesMarket = CaseMarket & { foreign: ForeignNode };

async function codesMarket(prices?: PriceLevel): Promise<CodesMarket> {
    const market = await caseMarket(prices === undefined ? {} : { prices });
    await adoptCode(market, await foreignCode(market));
    const foreign = await registerForeign(market);
    // Its terms are of now: adopting has taken a week.
    return { ...market, foreign, job: new NodeJob(market, Buffer.alloc(32, 5), market.victim.address) };
}

const market = useCases(() => codesMarket());
const its = (node = market().foreign) => sayings(market(), node);
const standing = () => market().provider.getStanding();
const counted = (version: bigint) => market().provider.getVersionShares(version);
const amounts = (result: SendMessageResult) => slashesIn(result).map(({ amounts: { amount } }) => amount);

/** A job by this key whose demands may ask for the whole share. */
function jobOf(byte: number, name = 'receipt', step = 8n * RATE): NodeJob {
    const receiptKey = pairOf(name);
    const terms = { receiptKey: receiptKey.publicKey, step };
    return Object.assign(new NodeJob(market(), Buffer.alloc(32, byte), market().victim.address, terms), { receiptKey });
}

const demand = (job: NodeJob, loss: bigint) =>
    report(market(), 'demand', job.report.demand(job.accept({ ceiling: loss, deadline: job.now - 1 })));

async function decide(job: NodeJob): Promise<SendMessageResult> {
    const dispute = await job.dispute('A3');
    const value = await dispute.getCloseValue();
    return expectConserved(market().blockchain, () => dispute.sendDecide(market().stranger.getSender(), { value }));
}

async function convict(job: NodeJob): Promise<SendMessageResult> {
    const { blockchain, owner, stranger } = market();
    await report(market(), 'wrong', job.report.wrong(job.result()));
    const dispute = await job.dispute('B1');
    await dispute.sendStatement(owner.getSender(), { value: VALUE, statement: Buffer.alloc(32) });
    const verdict = { basisPoints: 500, validUntil: blockchain.now! + HOUR };
    const signed = votes((await dispute.getFile())!, dispute.address, verdict, [0, 1]);
    const value = await dispute.getCloseValue();
    return dispute.sendVerdict(stranger.getSender(), { value, ...verdict, votes: signed });
}

describe('A node of a foreign code', () => {
    it('takes what its version’s share is, to the nanoTON', async () => {
        expect(amounts(await say(market(), market().foreign, its().taken(FOREIGN)))).toEqual([FOREIGN]);

        expect((await market().provider.getProviderState()).stake).toBe(STAKE - FOREIGN);
        await expectSolvent(market());
    });

    it('that asks for a nanoTON more takes its version’s share', async () => {
        expect(amounts(await say(market(), market().foreign, its().taken(FOREIGN + 1n)))).toEqual([FOREIGN]);

        expect((await market().provider.getProviderState()).stake).toBe(STAKE - FOREIGN);
    });

    it('takes no more by asking again', async () => {
        for (const [asked, taken] of [
            [FOREIGN - 1n, FOREIGN - 1n],
            [MUCH, 1n],
            [MUCH, 0n],
            [1n, 0n],
        ]) {
            expect(amounts(await say(market(), market().foreign, its().taken(asked)))).toEqual([taken]);
        }

        expect((await market().provider.getProviderState()).stake).toBe(STAKE - FOREIGN);
    });

    it('takes for a new key what the largest share is, and no more', async () => {
        const { foreign } = market();
        const change = nodeChanges.keys({ receiptKey: 3n, encryptionKey: 7n, oldEndsAt: market().blockchain.now! });
        await changeNode(market(), change, { number: foreign.number, codeVersion: 1 });

        expect(amounts(await say(market(), foreign, its().taken(MUCH)))).toEqual([2n * FOREIGN]);
    });

    it('takes no more by an operator who raises again and again what it frees', async () => {
        const { provider, operator, foreign } = market();
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const named = { number: foreign.number, codeVersion: 1 };
        for (let time = 0; time < 3; time++) {
            await say(market(), foreign, its().freed(FOREIGN, 1, false));
            await provider.sendReplaceHardware(operator.getSender(), {
                value: VALUE,
                ...named,
                share: 0n,
                gpus: 0,
                change,
            });
        }

        expect(amounts(await say(market(), foreign, its().taken(MUCH)))).toEqual([FOREIGN]);
    });

    it('counts for a new key what its largest share is, whatever old share an operator names', async () => {
        const { provider, operator, foreign } = market();
        await registerForeign(market());
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 50 });
        const named = { number: foreign.number, codeVersion: 1, share: 50n * RATE, gpus: 50 };

        await provider.sendReplaceHardware(operator.getSender(), { value: VALUE, ...named, change });

        expect(await counted(1n)).toMatchObject({ maxShare: FOREIGN, slashable: 2n * FOREIGN });
    });

    it('of which none is registered takes, freezes and frees nothing, and leaves no strike', async () => {
        const { stranger } = market();
        const { init, ...other } = await foreignOf(market(), 0);
        await adoptCode(market(), beginCell().storeUint(2, 8).endCell());
        const lone = { ...other, version: 1 };
        await stranger.send({ to: lone.address, value: toNano('1'), init, bounce: false });
        await say(market(), market().foreign, its().taken(FOREIGN));
        await say(market(), market().foreign, its().freed(FOREIGN, 1));
        const before = await standing();
        const state = await market().provider.getProviderState();

        const said = its(lone);
        for (const body of [said.taken(MUCH, 'A3'), said.found('A3', MUCH), said.freed(MUCH), said.taken(1n, 'A3')]) {
            expect(amounts(await say(market(), lone, body)).filter((amount) => amount > 0n)).toEqual([]);
        }

        expect(await market().provider.getProviderState()).toMatchObject({
            stake: state.stake,
            shares: SHARE,
            nodes: 1n,
            gpus: 2n,
        });
        expect(await standing()).toMatchObject({
            frozen: 0n,
            strikes: 0n,
            slashableByVerdict: before.slashableByVerdict,
        });
    });

    it('frees nothing that another version’s nodes require, however often it says so', async () => {
        for (const body of [its().freed(SHARE + FOREIGN), its().freed(MUCH), its().freed(1n, 1, false)]) {
            await say(market(), market().foreign, body);
        }

        expect(await market().provider.getProviderState()).toMatchObject({ shares: SHARE, nodes: 1n, gpus: 2n });
        expect(await counted(0n)).toMatchObject({ shares: SHARE, nodes: 1n, gpus: 2n, slashable: SHARE });
    });

    it('freezes no more than its version’s share', async () => {
        await say(market(), market().foreign, its().found('A3', FOREIGN - 1n));
        expect((await standing()).frozen).toBe(FOREIGN - 1n);

        for (const job of [2n, 3n]) {
            await say(market(), market().foreign, its().found('A3', MUCH, { job }));
        }

        expect(await standing()).toMatchObject({ frozen: FOREIGN, cases: 3n });
    });

    it('lifts nothing that a case about another version’s node has frozen', async () => {
        await demand(jobOf(1), SHARE);

        for (let time = 0; time < 3; time++) {
            await say(market(), market().foreign, its().released());
            await say(market(), market().foreign, its().taken(0n));
        }

        expect(await standing()).toMatchObject({ frozen: SHARE, cases: 1n });
    });

    it('opens no case about a node of another version, or about another node of its own', async () => {
        for (const about of [{ node: 0, nodeVersion: 0 }, { nodeVersion: 0 }, { node: 0 }]) {
            await say(market(), market().foreign, its().found('A1', 1n, about));
        }

        expect(await standing()).toMatchObject({ cases: 0n, opened: 0n, frozen: 0n });
        expect((await market().provider.getProviderState()).stake).toBe(STAKE);
    });

    it('keeps nothing of what it attaches to a fault of another node', async () => {
        const { blockchain, provider, foreign } = market();
        const before = (await blockchain.getContract(provider.address)).balance;

        await say(market(), foreign, its().found('A1', 1n, { node: 0 }));

        expect((await blockchain.getContract(provider.address)).balance).toBe(before);
    });

    it('shields no node of another version with a case of its own about the same job', async () => {
        const job = jobOf(1);
        const number = BigInt(`0x${job.hash.toString('hex')}`);
        const date = BigInt(job.now - 1);
        await say(market(), market().foreign, its().found('A3', 0n, { job: number, query: 1n, date }));
        await demand(job, toNano('1'));
        market().blockchain.now! += DAY + 1;

        expect(amounts(await decide(job))).toEqual([toNano('2.01')]);
    });

    it('uses up nothing of what verdicts may take', async () => {
        const { slashableByVerdict } = await standing();
        const { stake } = await market().provider.getProviderState();

        for (const amount of [0n, 1n, MUCH, MUCH, 0n, 0n]) {
            expect(amounts(await say(market(), market().foreign, its().taken(amount, 'B1')))).toEqual([0n]);
        }

        expect((await standing()).slashableByVerdict).toBe(slashableByVerdict);
        expect((await market().provider.getProviderState()).stake).toBe(stake);
        expect(amounts(await convict(market().job))).toEqual([SHARE / 20n]);
    });
});

describe('A verdict', () => {
    it('lets its node take one slash, and no second', async () => {
        const { blockchain, provider, node } = market();
        await convict(market().job);
        const { stake } = await provider.getProviderState();
        const body = sayings(market(), { address: node.address, number: 0, version: 0 }).taken(MUCH, 'B1');
        const again = internal({ from: node.address, to: provider.address, value: VALUE, body, bounce: true });

        expect(amounts(await blockchain.sendMessage(again))).toEqual([0n]);

        expect((await provider.getProviderState()).stake).toBe(stake);
    });
});

describe('After all that a foreign node can say', () => {
    /** Everything, three times over, in this order and the other. */
    async function sayAll(): Promise<void> {
        const all = [
            its().found('A3', MUCH, { job: 7n }),
            its().found('A1', MUCH, { job: 8n, loss: MUCH }),
            its().taken(MUCH, 'A3'),
            its().taken(MUCH, 'B1'),
            its().released(),
            its().freed(MUCH),
            its().freed(MUCH, 65535, true, beginCell().endCell()),
        ];
        for (const body of [...all, ...all.reverse(), ...all]) {
            await say(market(), market().foreign, body);
        }
    }

    it('a node of another version bears its whole share', async () => {
        await sayAll();
        const job = jobOf(1);
        await demand(job, SHARE);
        expect(await counted(0n)).toMatchObject({ frozen: SHARE, cases: 1n });
        market().blockchain.now! += DAY + 1;

        expect(amounts(await decide(job))).toEqual([SHARE]);
        expect(await counted(0n)).toMatchObject({ frozen: 0n, cases: 0n, slashable: 0n });
        await expectSolvent(market());
    });

    it('a node of another version is closed, and requires nothing from then on', async () => {
        const { provider, owner } = market();
        await sayAll();

        await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0, codeVersion: 0 });

        expect(await provider.getProviderState()).toMatchObject({
            shares: 0n,
            nodes: 0n,
            gpus: 0n,
            requiredStake: 0n,
        });
        expect(await counted(0n)).toMatchObject({ shares: 0n, nodes: 0n, gpus: 0n });
    });

    it('and five years of silence a node of another version bears its whole share, and then nothing is frozen', async () => {
        const { blockchain, stranger, node } = market();
        await sayAll();
        await node.sendRent(stranger.getSender(), { value: toNano('30') });
        blockchain.now! += 5 * 365 * DAY;
        await sayAll();
        const job = jobOf(1);
        const value = (await node.getValuesFor(job.report.demand(job.accept()))).demand + toNano('5');
        const body = job.report.demand(job.accept({ ceiling: SHARE, deadline: job.now - 1 }));
        await report(market(), 'demand', body, { value });
        blockchain.now! += DAY + 1;

        const decided = await (await job.dispute('A3')).sendDecide(stranger.getSender(), { value });

        expect(amounts(decided)).toEqual([SHARE]);
        expect(await counted(0n)).toMatchObject({ frozen: 0n, cases: 0n });
    });
});

describe('At tenfold prices', () => {
    const dear = useCases(() => codesMarket('tenfold'));

    it('a foreign node takes what its version’s share is, and no more', async () => {
        const said = sayings(dear(), dear().foreign);

        expect(amounts(await say(dear(), dear().foreign, said.taken(FOREIGN + 1n)))).toEqual([FOREIGN]);
        expect(amounts(await say(dear(), dear().foreign, said.taken(FOREIGN + 1n)))).toEqual([0n]);
        await expectSolvent(dear());
    });
});

describe('No slash of a node is cut short by what is counted for its own version', () => {
    const rotate = (name: string) =>
        changeNode(
            market(),
            nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey: 7n, oldEndsAt: market().blockchain.now! + DAY }),
        );
    const add = (amount: bigint) =>
        market().provider.sendAddStake(market().stranger.getSender(), { value: amount + VALUE, amount });
    const setGpus = (gpus: number, share: bigint, was: number) =>
        market().provider.sendReplaceHardware(market().owner.getSender(), {
            value: VALUE,
            ...{ number: 0, codeVersion: 0, share, gpus: was },
            change: nodeChanges.hardware({ ...listingWith().hardware, gpus }),
        });

    /** Each of these keys is shown to owe its whole share. */
    async function costOf(names: string[]): Promise<bigint[]> {
        const jobs = names.map((name, index) => jobOf(0x40 + index, name));
        for (const job of jobs) {
            await demand(job, 8n * RATE);
        }
        market().blockchain.now! += DAY + 1;
        const taken: bigint[] = [];
        for (const job of jobs) {
            taken.push(...amounts(await decide(job)));
        }
        return taken;
    }

    it('where its keys were rotated before its share was raised', async () => {
        await add(20n * RATE);
        await rotate('second');
        await rotate('third');
        await setGpus(4, SHARE, 2);

        expect(await costOf(['receipt', 'second', 'third'])).toEqual([2n * SHARE, 2n * SHARE, 2n * SHARE]);
    });

    it('where a key was set after its share was lowered, as long as the higher one is liable', async () => {
        await add(20n * RATE);
        await setGpus(1, SHARE, 2);
        await rotate('second');
        await rotate('third');

        expect(await costOf(['receipt', 'second', 'third'])).toEqual([SHARE, SHARE, SHARE]);
    });

    it('by a change that names another version of the same code: the node refuses it', async () => {
        await adoptCode(market(), market().codes.node);
        const change = nodeChanges.keys({
            receiptKey: keyOf('second'),
            encryptionKey: 7n,
            oldEndsAt: market().blockchain.now!,
        });

        const sent = await changeNode(market(), change, { codeVersion: 2 });

        expectRefused(sent, { to: market().node.address, exitCode: errors.ErrUnknownVersion });
        expect(await counted(2n)).toMatchObject({ slashable: 0n, shares: 0n });
    });

    it('by an old share that was named too high: it counts for no key', async () => {
        await setGpus(60000, 60000n * RATE, 2);

        expect(await counted(0n)).toMatchObject({ maxShare: SHARE, slashable: SHARE, shares: SHARE });
    });

    it('by a change that the node refuses: what was counted for it is not', async () => {
        await changeNode(market(), nodeChanges.keys({ receiptKey: 0n, encryptionKey: 7n, oldEndsAt: 0 }));
        await setGpus(3, SHARE - 1n, 2);

        expect(await counted(0n)).toMatchObject({ slashable: SHARE, shares: SHARE, gpus: 2n, nodes: 1n });
    });
});
