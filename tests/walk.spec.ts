import { Address, beginCell, Cell, Message, Sender, toNano } from '@ton/core';
import { Blockchain, internal } from '@ton/sandbox';
import { schema } from '../tooling/schema';
import { channelCode, errors, Library, nodeChanges, Registry, registryChanges } from '@cocoon-market/wrappers';
import {
    storeChangeNode,
    storePostFail,
    storePostPiece,
    storePostVoucher,
    storeProposeChange,
    storePublish,
    storeRegisterNode,
    storeReplaceHardware,
    storeSubmitVerdict,
} from '../wrappers/bodies';
import { evidenceCell, votesCell } from '../wrappers/evidence';
import { SigningKey } from '../wrappers/keys';
import { listingCell } from '../wrappers/Node';
import { answerRoot, contentHash, pieceCell, pieceOf, proofCell } from '../wrappers/signed/answer';
import { CaseMarket, caseMarket, report, REQUEST, useCases, votes } from './support/cases';
import { exitCodeOf } from './support/chain';
import { spendKey } from './support/market';
import { committeeOf, HOUR, keyOf, maxListing, listingWith, rulesWith, Wallet } from './support/stake';
import { cellOf, exotic, knowLibraries, pathsOf, resized, swapped } from './support/swaps';

const VALUE = toNano('20');

/** Messages of a sender that a contract knows by its address: one of the suite, which checked these cells before. */
const OF_THE_SUITE = [
    ...['AnnounceNode', 'AnnounceSelf', 'RulesGiven', 'ShareFreed', 'FaultFound', 'CaseClosed', 'ShareSlashed'],
    ...['StartNode', 'ApplyChange', 'ApplyHardware', 'SlashShare', 'OpenCase'],
];
/** Cells that others carry, and what contracts only tell. */
const CARRIED = ['ListNode', 'SetOffers', 'SetService', 'SetAttestation', 'ReplaceRules', 'ReplaceCommittee'];
const EVENTS = ['NodeAnnounced', 'ChangeProposed', 'ChangeExecuted', 'ChangeCancelled'];
/** ErrWrongJob: prices that a report does not need are a part of the terms, whose hash the receipts name. */
const EXOTIC_CODES = [errors.ErrMalformed, errors.ErrWrongJob].map(Number);
/** A dictionary: the TVM refuses an exotic cell in it, or the contract one that is not as it would make it itself. */
const CODES_OF_LAUNCH = 2;

const UNKNOWN_LIBRARY = 'a library cell that the chain does not know';
const swaps = { ...exotic, [UNKNOWN_LIBRARY]: exotic['a library cell'], ...resized };
const EXOTIC = [...Object.keys(exotic), UNKNOWN_LIBRARY];

const nameOf = (cell: Cell): string => cell.hash().toString('hex');

/** Codes, and a piece of an answer: nothing of them but the hash counts, which is named elsewhere. */
async function opaqueCells({ codes }: CaseMarket): Promise<Set<string>> {
    return new Set([...Object.values(codes), await channelCode(), pieceCell(pieceOf(ANSWER, 1))].map(nameOf));
}

/** False where a full cell takes no bit or reference more. */
function fits(cell: Cell, kind: string): boolean {
    return kind === 'one bit more' ? cell.bits.length < 1023 : kind !== 'one reference more' || cell.refs.length < 4;
}

/** nanoTON that messages bring to an account. */
function valueTo(transactions: { inMessage?: Message | null }[], to: Address): bigint {
    return transactions.reduce((sum, { inMessage }) => {
        const info = inMessage?.info;
        return info?.type === 'internal' && info.dest.equals(to) ? sum + info.value.coins : sum;
    }, 0n);
}

function cellAt(root: Cell, path: number[]): Cell {
    return path.reduce((cell, index) => cell.refs[index], root);
}

interface Told {
    to: Address;
    by: Wallet;
    body: Cell;
    key: SigningKey;
    value?: bigint;
}

const ANSWER = Buffer.alloc(3 * 16384 + 5, 7);

/** A message of each kind whose every cell is as it should be; the rest of it need not be. */
const recipes: Record<string, (market: CaseMarket) => Promise<Told> | Told> = {
    ProposeChange: ({ registry, governor, insurance }) => {
        const change = registryChanges.rules(rulesWith(insurance.address));
        return {
            to: registry.address,
            by: governor,
            body: cellOf(storeProposeChange({ $$type: 'ProposeChange', queryId: 0n, change })),
            key: spendKey,
        };
    },
    'ProposeChange of a committee': ({ registry, governor }) => {
        const change = registryChanges.committee(committeeOf(7, 5));
        return {
            to: registry.address,
            by: governor,
            body: cellOf(storeProposeChange({ $$type: 'ProposeChange', queryId: 0n, change })),
            key: spendKey,
        };
    },
    'ProposeChange of a code': ({ registry, governor, codes }) => {
        const change = registryChanges.code('node', codes.node);
        return {
            to: registry.address,
            by: governor,
            body: cellOf(storeProposeChange({ $$type: 'ProposeChange', queryId: 0n, change })),
            key: spendKey,
        };
    },
    Launch: async ({ blockchain, governor, insurance, codes }) => {
        const registry = blockchain.openContract(await Registry.ofGovernor(governor.address, HOUR));
        await registry.sendTopUp(governor.getSender(), { value: VALUE, opens: true });
        let body = Cell.EMPTY;
        const reader: Sender = { send: async (message) => void (body = message.body!) };
        const terms = { rules: rulesWith(insurance.address), committee: committeeOf(7, 5), codes, catalogue: 1n };
        await registry.sendLaunch(reader, { value: VALUE, ...terms });
        return { to: registry.address, by: governor, body, key: spendKey };
    },
    RegisterNode: ({ provider, owner, codes, blockchain }) => {
        const largest = maxListing(blockchain.now!);
        const listing = { ...largest, offers: largest.offers.slice(0, 2), hardware: listingWith().hardware };
        const body = { queryId: 0n, code: codes.node, listing: listingCell(listing) };
        return {
            to: provider.address,
            by: owner,
            body: cellOf(storeRegisterNode({ $$type: 'RegisterNode', ...body })),
            key: spendKey,
        };
    },
    ChangeNode: (market) => changing(market, nodeChanges.offers(maxListing(market.blockchain.now!).offers.slice(0, 2))),
    'ChangeNode of the service': (market) => changing(market, nodeChanges.service(listingWith().service)),
    'ChangeNode of the attestation': (market) =>
        changing(market, nodeChanges.attestation(maxListing(market.blockchain.now!).attestation)),
    'ChangeNode of a key that ends': (market) => changing(market, nodeChanges.endKey(keyOf('receipt'))),
    ReplaceHardware: async ({ provider, node, owner }) => {
        const { share, gpus } = await node.getNodeState();
        const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 1 });
        const fields = { queryId: 0n, number: 0n, codeVersion: 0n, share, gpus, change };
        return {
            to: provider.address,
            by: owner,
            body: cellOf(storeReplaceHardware({ $$type: 'ReplaceHardware', ...fields })),
            key: spendKey,
        };
    },
    ReportTwice: ({ node, stranger, job }) => ({
        to: node.address,
        by: stranger,
        body: job.report.twice(job.result(), job.result({ index: 2, number: 1 })),
        key: job.receiptKey,
    }),
    ReportExcess: ({ node, stranger, job }) => ({
        to: node.address,
        by: stranger,
        body: job.report.excess(job.result({ price: toNano('0.3') }), job.accept()),
        key: job.receiptKey,
    }),
    DemandAnswer: ({ node, stranger, job }) => ({
        to: node.address,
        by: stranger,
        body: job.report.demand(job.accept()),
        key: job.receiptKey,
    }),
    ReportWrong: ({ node, stranger, job }) => ({
        to: node.address,
        by: stranger,
        body: job.report.wrong(job.result()),
        key: job.receiptKey,
    }),
    PostPiece: async (market) => {
        const result = market.job.result({ content: contentHash(REQUEST, answerRoot(ANSWER)) });
        const fields = { queryId: 0n, length: BigInt(ANSWER.length), index: 1n, result: evidenceCell(result) };
        const piece = { proof: proofCell(ANSWER, 1), piece: pieceCell(pieceOf(ANSWER, 1)) };
        return answering(market, cellOf(storePostPiece({ $$type: 'PostPiece', ...fields, ...piece })));
    },
    PostFail: (market) =>
        answering(
            market,
            cellOf(storePostFail({ $$type: 'PostFail', queryId: 0n, fail: evidenceCell(market.job.fail()) })),
        ),
    PostVoucher: (market) => {
        const { cumulative, count, signature } = market.job.voucher(1);
        const result = evidenceCell(market.job.result());
        const fields = { queryId: 0n, cumulative, count: BigInt(count), result };
        const signed = beginCell().storeBuffer(signature).endCell();
        return answering(market, cellOf(storePostVoucher({ $$type: 'PostVoucher', ...fields, signature: signed })));
    },
    SubmitVerdict: async (market) => {
        const { job, owner, stranger, blockchain } = market;
        await report(market, 'wrong', job.report.wrong(job.result()));
        const dispute = await job.dispute('B1');
        await dispute.sendStatement(owner.getSender(), { value: VALUE, statement: Buffer.alloc(32, 1) });
        const verdict = { basisPoints: 500, validUntil: blockchain.now! + HOUR };
        const signed = votesCell(votes((await dispute.getFile())!, dispute.address, verdict, [0, 1, 2]));
        const fields = { queryId: 0n, basisPoints: 500n, validUntil: BigInt(verdict.validUntil), votes: signed };
        return {
            to: dispute.address,
            by: stranger,
            body: cellOf(storeSubmitVerdict({ $$type: 'SubmitVerdict', ...fields })),
            key: job.receiptKey,
        };
    },
    Publish: async ({ blockchain, stranger }) => {
        const code = await channelCode();
        const keeper = blockchain.openContract(await Library.ofHash(code.hash()));
        await keeper.sendTopUp(stranger.getSender(), { value: VALUE, opens: true });
        return {
            to: keeper.address,
            by: stranger,
            body: cellOf(storePublish({ $$type: 'Publish', queryId: 0n, code })),
            key: spendKey,
        };
    },
};

function changing({ provider, owner }: CaseMarket, change: Cell): Told {
    const body = cellOf(storeChangeNode({ $$type: 'ChangeNode', queryId: 0n, number: 0n, codeVersion: 0n, change }));
    return { to: provider.address, by: owner, body, key: spendKey };
}

async function answering(market: CaseMarket, body: Cell): Promise<Told> {
    const { job, stranger } = market;
    await report(market, 'demand', job.report.demand(job.accept()));
    return { to: (await job.dispute('A3')).address, by: stranger, body, key: job.receiptKey };
}

/** Hashes of the data of all contracts that a message may reach. */
async function statesOf(blockchain: Blockchain, addresses: Address[]): Promise<string[]> {
    const states: string[] = [];
    for (const address of addresses) {
        const { accountState } = await blockchain.getContract(address);
        states.push(accountState?.type === 'active' ? accountState.state.data!.hash().toString('hex') : '');
    }
    return states;
}

describe('A cell from outside', () => {
    const market = useCases(() => caseMarket());

    it('is in no message that this file forgets', () => {
        const withCells = schema()
            .split('\n')
            .filter((line) => /^\w+#[0-9a-f]{8} .*(\^Cell|HashmapE|RuleSet|Committee)/.test(line));
        const names = withCells.map((line) => / = (\w+);$/.exec(line)![1]);
        const told = new Set(Object.keys(recipes).map((name) => name.split(' ')[0]));
        const known = [...told, ...OF_THE_SUITE, ...CARRIED, ...EVENTS, 'SetUp', 'Open'];
        expect(names.sort()).toEqual(known.sort());
    });

    it.each(Object.keys(recipes))('is as it should be in %s, or refused with its value returned', async (name) => {
        const { blockchain, registry, provider, node } = market();
        const { to, by, body, key } = await recipes[name](market());
        const opaque = await opaqueCells(market());
        // The number of a node that refused its listing stays used: there the Provider's state changes.
        const reached = [registry.address, node.address, ...(name === 'RegisterNode' ? [] : [provider.address, to])];
        const states = await statesOf(blockchain, reached);
        const snapshot = blockchain.snapshot();
        const missed: string[] = [];
        for (const path of pathsOf(body, (each) => opaque.has(nameOf(each)))) {
            const cell = cellAt(body, path);
            const byHash = opaque.has(nameOf(cell));
            for (const [kind, swap] of Object.entries(swaps).filter(([each]) => fits(cell, each))) {
                knowLibraries(blockchain, kind === 'a library cell' ? [cell] : []);
                const changed = swapped(body, path, swap, key);
                const message = internal({ from: by.address, to, value: VALUE, body: changed });
                const { transactions } = await blockchain.sendMessage(message);
                const code = transactions.map(exitCodeOf).find((each) => each !== undefined && each > 1);
                const isNamed = EXOTIC.includes(kind) && !(name === 'Launch' && path[0] === CODES_OF_LAUNCH);
                const right = isNamed ? EXOTIC_CODES.includes(code!) : code !== undefined;
                const same = (await statesOf(blockchain, reached)).join() === states.join();
                const returned = valueTo(transactions, by.address) > VALUE - toNano('1.5');
                if (!returned || !(byHash || (right && same))) {
                    missed.push(`${path.join('.')} ${kind}: ${code}`);
                }
                if (!same) await blockchain.loadFrom(snapshot);
            }
        }
        expect(missed).toEqual([]);
    });
});
