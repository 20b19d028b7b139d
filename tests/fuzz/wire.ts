/**
 * Messages of the model as cells, written from docs/schema.tlb: a second reading of it beside the wrappers, which also
 * says what the wrappers refuse to say.
 *
 * Longer than 350 lines because the cell of each message is written here.
 */
import { beginCell, Builder, Cell } from '@ton/core';
import {
    listingCell,
    nodeChanges,
    opcodes,
    OpcodeName,
    pieceCell,
    pieceOf,
    proofCell,
    registryChanges,
    tags,
} from '@cocoon-market/wrappers';

import { listingWith } from '../support/stake';
import { exotic } from '../support/swaps';
import { Verdict, Voucher as VoucherLayout } from '../../wrappers/signed/payloads';
import {
    Account,
    Body,
    BodyOf,
    Change,
    Key,
    Listing,
    NewJob,
    orderText,
    RulesChange,
    verdictText,
    voucherText,
} from '../model';
import { addressOf, hashOfText, keyNumber, publicKeyOf, signatureBytes } from './names';
import { ANSWER, bytesCell, NETWORK, receiptCell, termsCellOf } from './payloads';

/** What only a network of accounts knows about a message. */
export interface Wire {
    /** Hash of the first data of a channel, which an order names. */
    firstDataOf(channel: Account): Buffer;
    codes: { plain: Cell; library: Cell; large: Cell; node: Cell[]; disputes: Cell[] };
    /** The data of a Dispute's verdict: the class number of B1. */
    classB1: number;
}

const QUERY = 64;

export const head = (name: OpcodeName, withQuery = true): Builder => {
    const builder = beginCell().storeUint(opcodes[name], 32);
    return withQuery ? builder.storeUint(0, QUERY) : builder;
};

const hash = (account: Account): Buffer => addressOf(account).hash;

export function newJobCell({ deposit, end, notice, voucherKey, payout, malformed }: NewJob): Cell {
    const builder = beginCell().storeUint(deposit, 64).storeUint(end, 32).storeUint(notice, 32);
    builder.storeBuffer(publicKeyOf(voucherKey)).storeBuffer(hash(payout));
    switch (malformed) {
        case 'bit':
            return builder.storeBit(true).endCell();
        case 'library':
            return exotic['a library cell'](builder.endCell());
        case 'proof':
            return exotic['a Merkle proof'](builder.endCell());
        default:
            return builder.endCell();
    }
}

const jobRefs = (builder: Builder, jobs: readonly NewJob[]): Builder =>
    jobs.reduce((made, job) => made.storeRef(newJobCell(job)), builder);

function voucherSlice(body: { cumulative: bigint; count: number; signature: string }, channel: Account): Builder {
    const { cumulative, count, signature } = body;
    const builder = beginCell().storeUint(cumulative, 64).storeUint(count, 32);
    return signature === '' ? builder : builder.storeBuffer(voucherSignature(body, channel));
}

function voucherSignature(body: { cumulative: bigint; count: number; signature: string }, channel: Account): Buffer {
    const { cumulative, count, signature } = body;
    const signed = VoucherLayout.hash({ network: NETWORK, channel: hash(channel), cumulative, count });
    return signatureBytes(signature, voucherText(NETWORK, channel, cumulative, count), signed);
}

function orderCell(wire: Wire, body: BodyOf<'openJobs' | 'jobOrder'>): Cell {
    const { network, escrow, seqno, validUntil } = body;
    const builder = beginCell()
        .storeUint(body.op === 'openJobs' ? tags.TagOpenJobs : tags.TagJobOrder, 32)
        .storeInt(network, 32)
        .storeBuffer(hash(escrow))
        .storeUint(seqno, 32)
        .storeUint(validUntil, 32);
    const order =
        body.op === 'openJobs'
            ? jobRefs(builder.storeUint(body.total, 64), body.jobs).endCell()
            : builder.storeBuffer(wire.firstDataOf(body.job)).storeUint(body.action, 8).endCell();
    const signature = signatureBytes(body.signature, [orderText(body)], order.hash());
    return beginCell().storeBuffer(signature).storeRef(order).endCell();
}

const bad = { uptime: 10_001, offers: 9 };

export function listingOf({ gpuClass, gpus, receiptKey, encryptionKey, wrong }: Listing): Cell {
    const hardware = { gpuClass, gpus, vram: 80, model: 'GPU' };
    const keys = { receiptKey: keyNumber(receiptKey), encryptionKey: encryptionNumber(encryptionKey) };
    const rest = listingWith();
    const offer = rest.offers[0];
    return listingCell({
        ...rest,
        hardware,
        ...keys,
        ...(wrong === 'ErrWrongService' ? { service: { ...rest.service, uptime: bad.uptime } } : {}),
        ...(wrong === 'ErrWrongOffers'
            ? { offers: Array.from({ length: bad.offers }, (_, place) => ({ ...offer, model: BigInt(place + 1) })) }
            : {}),
        ...(wrong === 'ErrWrongAttestation'
            ? { attestation: { tier: 'tdx' as const, certificate: 1n, expiresAt: 1 } }
            : {}),
    });
}

/** An X25519 key; those whose names begin with `weak` are of low order. */
export const encryptionNumber = (key: Key): bigint =>
    key.startsWith('weak') ? 1n << 248n : BigInt(`0x${hashOfText(`encryption ${key}`).toString('hex')}`) >> 8n;

export function changeOf(change: Change): Cell {
    const rest = listingWith();
    switch (change.kind) {
        case 'offers': {
            const offer = rest.offers[0];
            const length = change.wrong ? bad.offers : 1;
            return nodeChanges.offers(Array.from({ length }, (_, place) => ({ ...offer, model: BigInt(place + 1) })));
        }
        case 'service':
            return nodeChanges.service({ ...rest.service, uptime: change.wrong ? bad.uptime : 9_000 });
        case 'keys': {
            const { receiptKey, encryptionKey, oldEndsAt } = change;
            const keys = { receiptKey: keyNumber(receiptKey), encryptionKey: encryptionNumber(encryptionKey) };
            return nodeChanges.keys({ ...keys, oldEndsAt });
        }
        case 'endKey':
            return nodeChanges.endKey(keyNumber(change.receiptKey));
        case 'attestation':
            return nodeChanges.attestation(change.wrong ? { tier: 'tdx', certificate: 1n, expiresAt: 1 } : undefined);
        case 'other':
            return beginCell().storeUint(opcodes.NodeStopped, 32).endCell();
    }
}

const hardwareOf = (gpuClass: number, gpus: number): Cell =>
    nodeChanges.hardware({ gpuClass, gpus, vram: 80, model: 'GPU' });

function rulesChangeOf(wire: Wire, change: RulesChange): Cell {
    switch (change.kind) {
        case 'rules':
            return registryChanges.rules({
                ...change.set,
                insurance: addressOf(change.set.insurance),
                rates: [...change.set.rates],
            });
        case 'committee': {
            const { threshold, keys } = change.committee;
            return registryChanges.committee({ threshold, keys: keys.map(keyNumber) });
        }
        case 'code':
            return registryChanges.code(change.of, wire.codes.disputes[change.number] ?? wire.codes.large);
        case 'other':
            return beginCell().storeUint(opcodes.NodeStopped, 32).endCell();
    }
}

function votesCell(body: BodyOf<'submitVerdict'>, dispute: Account, wire: Wire): Cell {
    const { points: basisPoints, validUntil, rulesVersion } = body;
    const fields = { network: NETWORK, dispute: hash(dispute), class: wire.classB1 };
    const signed = Verdict.hash({ ...fields, basisPoints, rulesVersion, validUntil });
    const text = verdictText(NETWORK, dispute, basisPoints, rulesVersion, validUntil);
    return [...body.votes].reverse().reduce<Cell>((next, { member, signature }) => {
        const builder = beginCell()
            .storeUint(member, 8)
            .storeBuffer(signatureBytes(signature, text, signed));
        return (next === Cell.EMPTY ? builder : builder.storeRef(next)).endCell();
    }, Cell.EMPTY);
}

/** The body of a message to this account, as accounts outside the market send it. */
export function cellOfBody(wire: Wire, to: Account, body: Body): Cell {
    const own = ownerBody(wire, to, body) ?? providerBody(body) ?? faultBody(wire, to, body);
    if (own === undefined) {
        throw new Error(`No cell is known for ${body.op}`);
    }
    return own;
}

/** Channel, Escrow and Registry. */
function ownerBody(wire: Wire, to: Account, body: Body): Cell | undefined {
    const extra = (builder: Builder, is?: boolean) => (is ? builder.storeUint(1, 8) : builder).endCell();
    switch (body.op) {
        case 'none':
            return Cell.EMPTY;
        case 'text':
            return beginCell().storeUint(0, 32).storeStringTail('text').endCell();
        case 'unknown':
            return beginCell().storeUint(0xdeadbeef, 32).storeUint(7, 64).endCell();
        case 'short':
            return beginCell().storeUint(5, 17).endCell();
        case 'claim':
        case 'claimLast':
            return beginCell()
                .storeUint(body.op === 'claim' ? opcodes.Claim : opcodes.ClaimLast, 32)
                .storeBuilder(voucherSlice(body, to))
                .endCell();
        case 'leave':
            return head('Leave', false).endCell();
        case 'refund':
            return head('Refund', false).endCell();
        case 'topUp':
            return head('TopUp', false).storeUint(body.signed, 64).endCell();
        case 'deposit':
            return head('Deposit').endCell();
        case 'setUp': {
            const { deposit, spendKey, jobLimit, dayLimit, code } = body;
            const builder = head('SetUp').storeCoins(deposit).storeBuffer(publicKeyOf(spendKey));
            builder.storeUint(jobLimit, 64).storeUint(dayLimit, 64);
            return extra(builder.storeMaybeRef(code === undefined ? null : wire.codes[code]), body.extra);
        }
        case 'open': {
            const builder = head('Open').storeUint(body.seqno, 32).storeUint(body.total, 64);
            return extra(builder.storeRef(jobRefs(beginCell(), body.jobs).endCell()), body.extra);
        }
        case 'leaveJob':
            return extra(head('LeaveJob').storeBuffer(hash(body.channel)), body.extra);
        case 'withdraw':
            return extra(head('Withdraw').storeCoins(body.amount), body.extra);
        case 'openJobs':
        case 'jobOrder':
            return orderCell(wire, body);
        case 'askRules':
            return head('AskRules').storeUint(0, 256).endCell();
        case 'announceDemand':
            return head('AnnounceDemand').storeUint(1, 256).storeUint(1, 32).storeUint(body.endsAt, 32).endCell();
        case 'topUpRegistry':
            return head('TopUpRegistry').endCell();
        case 'proposeChange':
            return head('ProposeChange').storeRef(rulesChangeOf(wire, body.change)).endCell();
        case 'executeChange':
            return head('ExecuteChange').endCell();
        case 'cancelChange':
            return head('CancelChange').endCell();
        case 'setPaused':
            return head('SetPaused').storeBit(body.paused).endCell();
        case 'setCatalogue':
            return head('SetCatalogue').storeUint(2, 256).endCell();
        case 'proposeGovernor':
            return head('ProposeGovernor').storeAddress(addressOf(body.governor)).endCell();
        case 'acceptGovernor':
            return head('AcceptGovernor').endCell();
        default:
            return undefined;
    }
}

function providerBody(body: Body): Cell | undefined {
    const maybe = (account?: Account) => (account === undefined ? null : addressOf(account));
    switch (body.op) {
        case 'join': {
            const builder = head('Join').storeUint(body.stake, 64).storeUint(body.codeVersion, 8);
            return builder
                .storeAddress(addressOf(body.payout))
                .storeAddress(maybe(body.operator))
                .storeUint(0, 256)
                .endCell();
        }
        case 'adopt':
            return head('Adopt')
                .storeUint(body.rules === '' ? 0 : 1, 256)
                .endCell();
        case 'addStake':
            return head('AddStake').storeUint(body.amount, 64).endCell();
        case 'unbond':
            return head('Unbond').storeUint(body.amount, 64).endCell();
        case 'cancelUnbonding':
            return head('CancelUnbonding').storeUint(body.slot, 8).endCell();
        case 'withdrawStake':
            return head('WithdrawStake').storeUint(body.slot, 8).storeUint(body.amount, 64).endCell();
        case 'withdrawSurplus':
            return head('WithdrawSurplus').endCell();
        case 'setOperator':
            return head('SetOperator').storeAddress(maybe(body.operator)).endCell();
        case 'setPayout':
            return head('SetPayout').storeAddress(addressOf(body.payout)).endCell();
        case 'unjail':
            return head('Unjail').endCell();
        case 'changeNode': {
            const builder = head('ChangeNode').storeUint(body.number, 32).storeUint(body.codeVersion, 8);
            return builder.storeRef(changeOf(body.change)).endCell();
        }
        case 'replaceHardware': {
            const builder = head('ReplaceHardware').storeUint(body.number, 32).storeUint(body.codeVersion, 8);
            builder.storeUint(body.share, 64).storeUint(body.gpus, 16);
            return builder.storeRef(hardwareOf(body.gpuClass, body.newGpus)).endCell();
        }
        case 'closeNode':
            return head('CloseNode').storeUint(body.number, 32).storeUint(body.codeVersion, 8).endCell();
        case 'clearNode':
            return head('ClearNode').endCell();
        default:
            return undefined;
    }
}

/** Reports, and what follows them in a case; and the registration of a node, which carries a code too. */
function faultBody(wire: Wire, to: Account, body: Body): Cell | undefined {
    const code = 'code' in body && typeof body.code === 'number' ? wire.codes.disputes[body.code] : Cell.EMPTY;
    const channel = 'channel' in body ? hash(body.channel) : Buffer.alloc(32);
    switch (body.op) {
        case 'registerNode':
            return head('RegisterNode')
                .storeRef(wire.codes.node[body.code])
                .storeRef(listingOf(body.listing))
                .endCell();
        case 'reportTwice': {
            const builder = head('ReportTwice').storeBuffer(channel).storeRef(termsCellOf(body.terms));
            return builder
                .storeRef(receiptCell(body.first))
                .storeRef(receiptCell(body.second))
                .storeRef(code)
                .endCell();
        }
        case 'reportExcess': {
            const builder = head('ReportExcess').storeBuffer(channel).storeRef(termsCellOf(body.terms));
            const comparison = body.comparison === undefined ? null : receiptCell(body.comparison);
            return builder.storeRef(receiptCell(body.result)).storeMaybeRef(comparison).storeRef(code).endCell();
        }
        case 'demandAnswer': {
            const builder = head('DemandAnswer').storeBuffer(channel).storeUint(body.firstPiece, 32);
            return builder
                .storeRef(termsCellOf(body.terms))
                .storeRef(receiptCell(body.accept))
                .storeRef(code)
                .endCell();
        }
        case 'reportWrong': {
            const builder = head('ReportWrong').storeBuffer(channel).storeUint(9, 256);
            return builder
                .storeRef(termsCellOf(body.terms))
                .storeRef(receiptCell(body.result))
                .storeRef(code)
                .endCell();
        }
        case 'postPiece': {
            const builder = head('PostPiece').storeUint(ANSWER.length, 32).storeUint(body.index, 32);
            const piece = body.proven ? ANSWER : Buffer.from('another');
            builder.storeRef(receiptCell(body.result)).storeMaybeRef(proofCell(ANSWER, 0));
            return builder.storeMaybeRef(pieceCell(pieceOf(piece, 0))).endCell();
        }
        case 'postFail':
            return head('PostFail').storeRef(receiptCell(body.fail)).endCell();
        case 'postVoucher': {
            const { cumulative, count } = body.voucher;
            const signature = bytesCell(voucherSignature(body.voucher, body.channel));
            const builder = head('PostVoucher').storeUint(cumulative, 64).storeUint(count, 32);
            return builder.storeRef(signature).storeRef(receiptCell(body.result)).endCell();
        }
        case 'stateCase':
            return head('StateCase').storeUint(8, 256).endCell();
        case 'submitVerdict': {
            const builder = head('SubmitVerdict').storeUint(body.points, 16).storeUint(body.validUntil, 32);
            return builder.storeRef(votesCell(body, to, wire)).endCell();
        }
        case 'decideCase':
            return head('DecideCase').endCell();
        case 'clearCase':
            return head('ClearCase').endCell();
        default:
            return undefined;
    }
}
