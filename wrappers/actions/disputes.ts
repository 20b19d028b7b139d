/**
 * One function per step of a dispute; see docs/contracts/dispute.md. Each asks the contract for the value to attach.
 * The rest comes back. A step of a case throws a MarketError `foreign-code` for an account that does not run the
 * Dispute of this release, unless `anyCode`, and `dear-fees` if more than 5 TON of fees are asked.
 */
import { Address, Cell } from '@ton/core';
import { codesOfThisCheckout } from '../codes';
import { Dispute } from '../Dispute';
import { EvidenceJob, payloadOf, reports } from '../evidence';
import { FaultClass, faultClasses } from '../faults';
import { Node } from '../Node';
import { Accept, Fail, Result } from '../signed/payloads';
import { tags } from '../signed/tags';
import { jobHash } from '../signed/terms';
import { Provider } from '../Provider';
import { ForeignDispute } from '../remedies';
import { Call } from '../sending';
import { type CodeConsent, requireCode } from '../market/chain';
import { requireNode } from '../market/liveNode';
import { Actor } from './actor';
import { boundedFees } from './fees';
import { bytesToNumber } from '../bytes';

/** The evidence of a report; receipts as they are stored. */
export type Evidence = EvidenceJob &
    (
        | { class: 'A1'; first: Buffer; second: Buffer }
        | { class: 'A2'; result: Buffer; comparison?: Buffer }
        | { class: 'A3'; accept: Buffer; piece?: number } // `piece`: first of the four demanded, 0 unless given
        | { class: 'B1'; result: Buffer; statement: Buffer } // `statement`: hash of the text that says what is wrong
    );

/** A report ready to be sent. */
export interface PreparedReport {
    node: Address;
    body: Cell;
    value: bigint; // nanoTON to attach, the bond included
    bond: bigint; // nanoTON
    dispute: Address; // of this fault
}

/**
 * The report of this evidence with its cost now.
 * @throws {ForeignDispute} if the provider follows another Dispute than this release's; {MarketError} `foreign-code`
 * for a node or a provider that is not of this release, unless `anyCode`: terms of a stranger may name any contract;
 * `unfit-node` for a provider of another market than `registry`, which a B1 should name: the committee of another one
 * may be the stranger's, and its provider would keep the bond.
 */
export async function prepareReport(
    chain: Pick<Actor, 'open'>,
    network: number,
    evidence: Evidence,
    { anyCode, registry }: CodeConsent & { registry?: Address } = {},
) {
    const { channel, terms } = evidence;
    const node = chain.open(Node.fromAddress(new Address(0, terms.node)));
    const { dispute: code } = await codesOfThisCheckout();
    const { body, query, date } = readEvidence(evidence, code);
    const values = await node.getValuesFor(body);
    const { report, bond: bondOf } = faultClasses[evidence.class];
    // The getter does not include the rent since the node's last message. `cost` is more than that rent.
    const value = values[report] + values.cost;
    const bond = bondOf === undefined ? 0n : values[bondOf];
    const { codeVersion } = await node.getNodeState();
    const job = jobHash(network, channel, terms);
    const fault = { class: evidence.class, job, query, date, nodeVersion: Number(codeVersion) };
    const provider = new Address(0, terms.provider);
    const { address: dispute } = await Dispute.ofFault(provider, fault);
    if (!(await followedAddress(chain, provider, fault)).equals(dispute)) {
        throw new ForeignDispute(provider);
    }
    await requireNode(chain, node.address, { provider, anyCode, registry });
    return { node: node.address, body, value, bond, dispute } satisfies PreparedReport;
}

/** Sends a prepared report. */
export async function sendReport({ sender }: Pick<Actor, 'sender'>, { node, value, body }: PreparedReport) {
    await sender.send({ to: node, value, body, bounce: true });
}

interface PreparedFault {
    class: FaultClass;
    job: Buffer;
    query: number;
    date: number;
}

/** The body of the report, and the query and date that name its Dispute. */
function readEvidence(evidence: Evidence, code: Cell): Pick<PreparedFault, 'query' | 'date'> & { body: Cell } {
    switch (evidence.class) {
        case 'A1': {
            const date = Math.max(endOf(evidence.first), endOf(evidence.second));
            return { body: reports.twice({ ...evidence, code }), query: 0, date };
        }
        case 'A2': {
            const { index, finishedAt } = Result.decode(payloadOf(evidence.result));
            return { body: reports.excess({ ...evidence, code }), query: index, date: finishedAt };
        }
        case 'A3': {
            const { number, deadline } = Accept.decode(payloadOf(evidence.accept));
            const body = reports.demand({ ...evidence, first: evidence.piece ?? 0, code });
            return { body, query: number, date: deadline };
        }
        case 'B1': {
            const { number, finishedAt } = Result.decode(payloadOf(evidence.result));
            return { body: reports.wrong({ ...evidence, code }), query: number, date: finishedAt };
        }
    }
}

/** Unix seconds at which a result or a fail says that it was signed. */
function endOf(receipt: Buffer): number {
    const signed = payloadOf(receipt);
    const isFail = signed.readUInt32BE(0) === tags.TagFail;
    return isFail ? Fail.decode(signed).signedAt : Result.decode(signed).finishedAt;
}

/** The account at which the provider keeps the case of a fault. */
async function followedAddress(
    chain: Pick<Actor, 'open'>,
    provider: Address,
    fault: PreparedFault & { nodeVersion: number },
): Promise<Address> {
    const job = bytesToNumber(fault.job);
    const { class: faultClass, query, nodeVersion, date } = fault;
    return chain
        .open(Provider.fromAddress(provider))
        .getDisputeAddress(
            BigInt(faultClasses[faultClass].number),
            job,
            BigInt(query),
            BigInt(nodeVersion),
            BigInt(date),
        );
}

interface Which extends CodeConsent {
    dispute: Address;
}

/** Posts pieces of an answer (`indexes`) to a demand, one message each. */
export async function postPieces(actor: Actor, args: Which & { result: Buffer; answer: Buffer; indexes: number[] }) {
    const { dispute, value } = await open(actor, args);
    const { result, answer, indexes } = args;
    for (const index of indexes) {
        await dispute.sendPiece(actor.sender, { value, result, answer, index });
    }
}

type Send = Extract<keyof Dispute, `send${string}`>;

/** An action that sends one message to a Dispute. */
const step =
    <S extends Send>(send: S) =>
    async (
        actor: Actor,
        { dispute: address, anyCode, ...args }: Which & Omit<Parameters<Dispute[S]>[2], keyof Call>,
    ) => {
        const { dispute, value } = await open(actor, { dispute: address, anyCode });
        await dispute[send](actor.sender, { value, ...args } as never);
    };

/** Answers a demand with the node's fail. */
export const postFail = step('sendFail');

/** Answers a demand with the client's voucher that counts the result. */
export const postVoucher = step('sendVoucher');

/** Names the hash of the provider's statement in a case before the committee; the actor is the provider's owner. */
export const stateCase = step('sendStatement');

/** Submits a verdict with the votes of its committee. */
export const submitVerdict = step('sendVerdict');

/** Decides a case after its deadline, or has its outcome sent again. */
export const decideCase = step('sendDecide');

/** Ends the account of a closed case. Its remaining balance goes to the actor. */
export const clearCase = step('sendClear');

async function open(actor: Actor, { dispute: address, anyCode }: Which) {
    await requireCode(actor, address, [(await codesOfThisCheckout()).dispute], { anyCode });
    const dispute = actor.open(Dispute.fromAddress(address));
    return { dispute, value: boundedFees(address, await dispute.getCloseValue()) };
}
