/** Orders of the spend key: external messages that an escrow checks whole before it accepts them. */
import { Address, beginCell, Cell } from '@ton/core';
import { JobsPerOrder } from '../../build/Escrow/Escrow_Escrow';
import {
    address,
    bigUint,
    bytes,
    checkKnownFields,
    int,
    listOf,
    objectWith,
    oneOf,
    optional,
    signer,
    uint,
} from '../fields';
import { SigningKey } from '../keys';
import { channelData, JobParameters } from '../Channel';
import { jobActions, tags } from './tags';

/** One job of an order. */
export interface NewJob extends Omit<JobParameters, 'job'> {
    deposit: bigint; // nanoTON
}

/** The head of every order. */
export interface OrderHead {
    network: number;
    escrow: Address;
    seqno: number;
    validUntil: number; // unix seconds, the last at which the order is taken
}

const NEW_JOB = { deposit: bigUint(64), end: uint(32), notice: uint(32), voucherKey: bytes(32), payout: bytes(32) };
const ORDER = { network: int(32), escrow: address, seqno: uint(32), validUntil: uint(32) };
const TOTAL = bigUint(64);
const OPENING = {
    ...ORDER,
    jobs: listOf(objectWith(NEW_JOB), Number(JobsPerOrder)),
    total: optional(TOTAL),
};

/** The number of the job at this position of an order, from 0 on. */
export function jobNumber(seqno: number, position = 0): number {
    return seqno * Number(JobsPerOrder) + position;
}

/** The seqno of the order that opens the job with this number. */
export function seqnoOf(job: number): number {
    return Math.floor(job / Number(JobsPerOrder));
}

function head(tag: number, { network, escrow, seqno, validUntil }: OrderHead) {
    return beginCell()
        .storeUint(tag, 32)
        .storeInt(network, 32)
        .storeBuffer(escrow.hash, 32)
        .storeUint(seqno, 32)
        .storeUint(validUntil, 32);
}

/** One job as the order's cell holds it, 640 bits. @throws {InvalidField} */
export function newJobCell(job: NewJob): Cell {
    checkKnownFields('job', NEW_JOB, job);
    return beginCell()
        .storeUint(job.deposit, 64)
        .storeUint(job.end, 32)
        .storeUint(job.notice, 32)
        .storeBuffer(job.voucherKey, 32)
        .storeBuffer(job.payout, 32)
        .endCell();
}

/** The cell whose references are the jobs: what the owner's Open carries. */
export function jobsCell(jobs: NewJob[]): Cell {
    return jobs.reduce((cell, job) => cell.storeRef(newJobCell(job)), beginCell()).endCell();
}

/** The order that opens one to four jobs; `total` is the sum of their deposits unless given. @throws {InvalidField} */
export function openJobsCell(order: OrderHead & { jobs: NewJob[]; total?: bigint }): Cell {
    checkKnownFields('OpenJobs', OPENING, order);
    const total = order.total ?? order.jobs.reduce((sum, job) => sum + job.deposit, 0n);
    TOTAL(total, 'OpenJobs.total');
    const builder = head(tags.TagOpenJobs, order).storeUint(total, 64);
    return order.jobs.reduce((cell, job) => cell.storeRef(newJobCell(job)), builder).endCell();
}

/**
 * The order that makes a running job leave, or returns the rest of an ended one to the escrow. 81 bytes.
 * @throws {InvalidField}
 */
export function jobOrderCell(order: OrderHead & { job: JobParameters; action: keyof typeof jobActions }): Cell {
    checkKnownFields('JobOrder', { ...ORDER, action: oneOf(Object.keys(jobActions)) }, order);
    return head(tags.TagJobOrder, order)
        .storeBuffer(channelData(order.escrow, order.job).hash())
        .storeUint(jobActions[order.action], 8)
        .endCell();
}

/**
 * The order in an external message to an escrow, and the jobs that it opens; none for a JobOrder. Throws an Error for
 * a body that is no order.
 */
export function readOrder(body: Cell): { seqno: number; jobs: NewJob[] } {
    const order = body.refs[0].beginParse();
    const tag = order.loadUint(32);
    if (tag !== tags.TagOpenJobs && tag !== tags.TagJobOrder) {
        throw new Error('The message carries no order');
    }
    const seqno = order.skip(32 + 256).loadUint(32);
    const jobs: NewJob[] = [];
    while (tag === tags.TagOpenJobs && order.remainingRefs > 0) {
        const job = order.loadRef().beginParse();
        jobs.push({
            deposit: job.loadUintBig(64),
            end: job.loadUint(32),
            notice: job.loadUint(32),
            voucherKey: job.loadBuffer(32),
            payout: job.loadBuffer(32),
        });
    }
    return { seqno, jobs };
}

/** The body of the external message that carries an order. */
export function signedOrder(order: Cell, key: SigningKey): Cell {
    signer(key, 'key');
    return beginCell().storeBuffer(key.sign(order.hash()), 64).storeRef(order).endCell();
}
