/**
 * The plan of a report before it is sent: whether the node takes it, what it costs, and for every way in which it may
 * end who decides and on what grounds. It names no probabilities, because nobody has measured any.
 */
import type { FaultOutcome, PreparedReport } from '@cocoon-market/wrappers';
import {
    bytesToNumber,
    caseStates,
    Dispute,
    REPORT_GAP,
    faultClasses,
    formatTon,
    isJudged,
    liabilityRules,
    Node,
    nodeStates,
    outcomesOf,
    parseRules,
    Provider,
} from '@cocoon-market/wrappers';
import { OpenedContract } from '@ton/core';
import { Chain } from '../chain';
import { FaultEvidence } from '../gateway';
import { addressText } from '../process/addresses';
import { timeOf } from './output';

const { keySlots, pieceBytes, maxStrikes } = liabilityRules;

/** One way in which a report may end. */
export interface Prospect extends FaultOutcome {
    decidedBy: string;
    chance: string; // what decides whether it ends so
}

/** What `cocoon dispute report` says before it asks. */
export interface Plan {
    node: string;
    attached: bigint; // nanoTON
    bond: bigint; // nanoTON
    from: number; // unix seconds, the first at which the node takes it
    until: number; // unix seconds, the last
    standing: string; // of node and provider
    outcomes: Prospect[];
    dispute: string;
}

/** The plan of a report; throws what the node would refuse it for. `piece`: the first that a demand asks for. */
export async function planOf(
    chain: Chain,
    found: FaultEvidence,
    prepared: PreparedReport,
    piece: number,
): Promise<Plan> {
    const node = chain.open(Node.fromAddress(prepared.node));
    const { at } = await chain.account(prepared.node);
    const { evidence, ...record } = await node.getNodeRecord();
    const { waitsAfterDate } = faultClasses[found.class];
    const [from, until] = [found.date + waitsAfterDate, found.date + Number(evidence)];
    assertDated(found, { at, from, until });
    const state = await node.getNodeState();
    const key = await keyOf(node, found, state.receiptKey, record.slashed);
    assertShown(found, piece);
    if (record.basis <= key.slashed) {
        throw new Error(
            "The receipts of this key have cost the node's whole share already: nothing remains to be slashed",
        );
    }
    const provider = chain.open(Provider.fromAddress(state.provider));
    const { stake, unbonding } = await provider.getProviderState();
    const { strikes, jailedUntil, slashableByVerdict } = await provider.getStanding();
    const { minSlash, cost } = await node.getValuesFor(prepared.body);
    const rules = parseRules((await provider.getMembership()).rules!);
    const slashable = { slashed: key.slashed, stake: stake + unbonding, slashableByVerdict, minSlash, cost };
    const outcomes = outcomesOf(found, { ...record, ...slashable });
    const answerBy = at + rules.response;
    const { threshold, keys } = rules.committee;
    const terms = { answerBy, decideFrom: answerBy + rules.verdict, members: `${threshold} of ${keys.length}` };
    const open = state.state === nodeStates.open ? 'open' : 'closed';
    const signs = key.endsAt === undefined ? 'signs with this key' : `signed with this key until ${timeOf(key.endsAt)}`;
    const jail = jailedUntil === 0n ? '' : ', in jail';
    return {
        node: addressText(prepared.node, chain),
        attached: prepared.value,
        bond: prepared.bond,
        ...{ from, until },
        standing: `the node is ${open} and ${signs}; its provider has ${strikes} of ${maxStrikes} strikes${jail}`,
        outcomes: outcomes.map((outcome) => ({ ...outcome, ...chanceOf(outcome, found, terms) })),
        dispute: addressText(prepared.dispute, chain),
    };
}

function assertDated(
    { class: faultClass, date }: FaultEvidence,
    { at, from, until }: { at: number; from: number; until: number },
): void {
    if (at < from && faultClass === 'A3') {
        throw new Error(`The node has until ${timeOf(date)} to answer: demand it afterwards`);
    }
    if (at < from) {
        throw new Error(`These receipts have a later date and count from ${timeOf(from)} on`);
    }
    if (at > until) {
        throw new Error(`These receipts counted as evidence until ${timeOf(until)}`);
    }
}

/** What the node keeps of the key that signed. */
async function keyOf(
    node: OpenedContract<Node>,
    { class: faultClass, terms, date }: FaultEvidence,
    currentKey: bigint,
    slashed: bigint,
): Promise<{ endsAt?: number; slashed: bigint }> {
    const key = bytesToNumber(terms.receiptKey);
    if (key === currentKey) {
        return { slashed };
    }
    const slots = await Promise.all(Array.from({ length: keySlots }, (_, slot) => node.getEndedKey(BigInt(slot))));
    const ended = slots.find((slot) => slot.key === key);
    if (ended === undefined) {
        throw new Error('The node no longer knows the key that signed these receipts');
    }
    const endsAt = Number(ended.endsAt);
    if (date > endsAt + faultClasses[faultClass].maxAfterKeyEnd) {
        throw new Error(`These receipts are dated after the end of their key, ${timeOf(endsAt)}`);
    }
    return { endsAt, slashed: ended.slashed };
}

function assertShown({ class: faultClass, terms: { maxAnswer } }: FaultEvidence, piece: number): void {
    if (faultClass === 'A3' && piece * pieceBytes > maxAnswer) {
        throw new Error(`No answer of this job has a piece ${piece}: the largest has ${maxAnswer} bytes`);
    }
}

interface CaseTerms {
    answerBy: number; // unix seconds, if the report is sent now
    decideFrom: number; // the same
    members: string;
}

function chanceOf(
    { end }: FaultOutcome,
    { class: faultClass, refused }: FaultEvidence,
    { answerBy, decideFrom, members }: CaseTerms,
): Pick<Prospect, 'decidedBy' | 'chance'> {
    switch (end) {
        case 'slashed': {
            const by = faultClass === 'A1' ? 'both signatures' : 'signatures and arithmetic';
            const first = 'unless somebody reports it first: then what you send comes back, less the fees';
            return { decidedBy: `the node's contract, by ${by}`, chance: `certain, ${first}` };
        }
        case 'answered':
            return {
                decidedBy: `whoever posts pieces, a fail or your voucher until ${timeOf(answerBy)}`,
                chance:
                    refused === undefined
                        ? 'open: you have neither a result nor a fail of this query, and nobody can see from here what the node has'
                        : `to be expected: the node has signed a ${refused} of this query, which you refused, and can post it`,
            };
        case 'unanswered':
            return {
                decidedBy: 'anyone, by "cocoon dispute decide"',
                chance: `certain, if nobody answers until ${timeOf(answerBy)}`,
            };
        case 'draw':
            return {
                decidedBy: 'anyone, by "cocoon dispute decide"',
                chance: `certain, if no verdict of ${members} members comes until ${timeOf(decideFrom)}`,
            };
        case 'acquitted':
        case 'convicted':
            return {
                decidedBy: `${members} members, once the owner has made a statement or had until ${timeOf(answerBy)}`,
                chance: `they decide until ${timeOf(decideFrom)}; nothing on chain shows beforehand how`,
            };
    }
}

/**
 * Throws when there is a case about this fault already, unless it is an A1 or A2 that shows a larger loss (nanoTON) and
 * the message about the end of the earlier case cannot come back any more.
 */
export async function assertNew(chain: Chain, { dispute }: PreparedReport, loss: bigint): Promise<void> {
    const account = await chain.account(dispute);
    if (account.state !== 'active') {
        return;
    }
    const opened = chain.open(Dispute.fromAddress(dispute));
    const [{ state }, file] = [await opened.getCaseState(), await opened.getFile()];
    const decided = file !== undefined && !isJudged(file.class);
    if (state !== caseStates.new && !(decided && loss > file.countedLoss)) {
        throw new Error(`A case about this exists already: cocoon dispute state ${addressText(dispute, chain)}`);
    }
    if (state === caseStates.stuck) {
        throw new Error(
            `The end of the earlier case was not taken: first cocoon dispute decide ${addressText(dispute, chain)}`,
        );
    }
    if (state !== caseStates.new && account.at < file!.sentAt + REPORT_GAP) {
        throw new Error(
            `A larger loss than that of the earlier case counts from ${timeOf(file!.sentAt + REPORT_GAP)} on`,
        );
    }
}

/** The plan for people. */
export function planLines({ node, attached, bond, until, standing, outcomes }: Plan): string[] {
    const ends = outcomes.flatMap(({ when, slash, victim, reporter, bond: ofBond, decidedBy, chance }) => {
        const amounts = `slash ${formatTon(slash)}, your escrow ${formatTon(victim)}, reward ${formatTon(reporter)} TON`;
        const bonds = {
            none: '',
            back: '; the bond comes back',
            part: '; the bond comes back, less what the answer cost',
            lost: '; the bond is lost',
        };
        return [
            `  ${when}: ${slash === 0n ? 'nothing' : amounts}${bonds[ofBond]}`,
            `    decided by ${decidedBy}`,
            `    ${chance}`,
        ];
    });
    return [
        `to       ${node}`,
        `standing ${standing}`,
        `attached ${formatTon(attached)} TON, of which ${formatTon(bond)} are the bond; what is not used comes back`,
        `until    ${timeOf(until)}`,
        'ends',
        ...ends,
    ];
}
