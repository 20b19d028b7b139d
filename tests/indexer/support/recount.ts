/**
 * Counts a market again from raw transactions. It is written from docs/schema.tlb, docs/protocol.md and
 * docs/contracts, and uses no code of the indexer, the page or the wrappers.
 */
import { type Address, Cell, loadTransaction, type Message, type Slice, type Transaction } from '@ton/core';

const RATES = ['prompt', 'cached', 'completion', 'reasoning'] as const;

interface CountedNode {
    open: boolean;
    gpus: number;
    vram: number;
    gpu: string;
    region: string;
    tier: number;
    attestedUntil: number;
    offers: { model: string; rates: bigint[] }[];
}

interface CountedJob {
    deposit: bigint;
    paid: bigint;
    payout: string;
    events: { at: number; what: string; amount: bigint | null }[];
    ended: boolean;
}

const hex = (value: bigint) => value.toString(16).padStart(64, '0');
const raw = (value: bigint) => `0:${hex(value)}`;
const dayOf = (at: number) => new Date(at * 1000).toISOString().slice(0, 10);
const internal = (message: Message | null | undefined) =>
    message?.info.type === 'internal' ? message.info : undefined;

/** Everything that the page shows of a day. */
function emptyDay() {
    return {
        ...{ openings: 0, deposits: 0n, claims: 0, claimed: 0n, settled: 0, refunds: 0, refunded: 0n },
        ...{ faults: 0, slashes: 0, slashed: 0n },
    };
}

export class Recount {
    readonly nodes = new Map<string, CountedNode>(); // by provider and number
    readonly stakes = new Map<string, bigint>(); // by provider
    readonly jobs = new Map<string, CountedJob>(); // by channel
    readonly days = new Map<string, ReturnType<typeof emptyDay>>();
    readonly demands = new Map<string, { model: string; queries: number; endsAt: number }>();
    private readonly payouts = new Set<string>();
    private readonly providers = new Set<string>();
    private readonly pending = new Map<string, bigint>(); // deposits by channel, until it is deployed

    constructor(
        private readonly registry: Address,
        transactions: readonly { account: string; boc: string }[],
    ) {
        for (const { account, boc } of transactions) {
            this.take(account, loadTransaction(Cell.fromBase64(boc).beginParse()));
        }
    }

    private day(at: number) {
        const day = this.days.get(dayOf(at)) ?? emptyDay();
        this.days.set(dayOf(at), day);
        return day;
    }

    private take(account: string, transaction: Transaction): void {
        const out = transaction.outMessages.values();
        const isAborted = transaction.description.type === 'generic' && transaction.description.aborted;
        const body = transaction.inMessage?.body.beginParse();
        const opcode = body !== undefined && body.remainingBits >= 32 ? body.loadUint(32) : 0;
        for (const { info, body: event } of out) {
            if (info.type === 'external-out') {
                const slice = event.beginParse();
                if (account === this.registry.toRawString()) {
                    this.takeRegistryEvent(slice.loadUint(32), slice);
                } else if (this.providers.has(account)) {
                    this.takeProviderEvent(slice.loadUint(32), slice, transaction.now, account);
                }
            }
        }
        if (opcode === 0xc0c00201 && !isAborted && internal(transaction.inMessage) !== undefined) {
            this.providers.add(account); // Join
            body!.loadUintBig(64); // queryId
            this.stakes.set(account, body!.loadUintBig(64));
            body!.loadUint(8);
            this.payouts.add(body!.loadAddress().toRawString());
        }
        this.takeOrder(transaction, out);
        this.takeChannel(account, opcode, body, transaction, isAborted, out);
    }

    /** The jobs of an order are its cells of exactly 640 bits: the deposit, 32, 32, 256 and 256 bits. */
    private takeOrder({ inMessage }: Transaction, out: Message[]): void {
        const channels = out.filter(
            (message) => internal(message) !== undefined && message.init?.data?.bits.length === 947,
        );
        const terms: Cell[] = [];
        const search = (cell: Cell) => {
            if (cell.bits.length === 640) terms.push(cell);
            cell.refs.forEach(search);
        };
        if (channels.length > 0) {
            search(inMessage!.body);
        }
        channels.forEach((message, i) => {
            this.pending.set(internal(message)!.dest.toRawString(), terms[i].beginParse().loadUintBig(64));
        });
    }

    private takeChannel(
        account: string,
        opcode: number,
        body: Slice | undefined,
        { inMessage, now }: Transaction,
        isAborted: boolean,
        out: Message[],
    ): void {
        const deposit = this.pending.get(account);
        const info = internal(inMessage);
        if (deposit !== undefined && info !== undefined && inMessage?.init?.data) {
            this.pending.delete(account);
            const data = inMessage.init.data.beginParse(); // ChannelData
            data.skip(64 + 32 + 32 + 256);
            const payout = raw(data.loadUintBig(256));
            if (this.payouts.has(payout)) {
                const events = [{ at: now, what: 'opened', amount: deposit }];
                this.jobs.set(account, { deposit, paid: 0n, payout, events, ended: false });
                this.day(now).openings++;
                this.day(now).deposits += deposit;
            }
            return;
        }
        const job = this.jobs.get(account);
        if (job === undefined || isAborted || info === undefined || job.ended) {
            return;
        }
        const isLast = opcode === 0xc0c00504;
        if (opcode === 0xc0c00501 || isLast) {
            const cumulative = body!.remainingBits >= 64 ? body!.loadUintBig(64) : 0n;
            this.takeClaim(job, cumulative, info.src.toRawString(), now, out);
        } else if (opcode === 0xc0c00502) {
            job.events.push({ at: now, what: 'client left', amount: null });
        }
        if (isLast || opcode === 0xc0c00503) {
            // The rest goes to the escrow, before the surplus of the value goes to the caller.
            const rest = out.length > 1 ? internal(out[0])!.value.coins : 0n;
            job.ended = true;
            job.events.push({ at: now, what: isLast ? 'settled' : 'refunded', amount: rest });
            const day = this.day(now);
            day.settled++;
            day.refunds += isLast ? 0 : 1;
            day.refunded += rest;
        }
    }

    /** A channel pays what a voucher is above `paid`. To another caller than the payout its message says the amount. */
    private takeClaim(job: CountedJob, cumulative: bigint, caller: string, now: number, out: Message[]): void {
        const toPayout = out.find((message) => internal(message)?.dest.toRawString() === job.payout);
        const amount =
            caller === job.payout
                ? cumulative > job.paid
                    ? cumulative - job.paid
                    : 0n
                : internal(toPayout)!.value.coins;
        if (amount > 0n) {
            job.paid += amount;
            job.events.push({ at: now, what: 'paid', amount });
            this.day(now).claims++;
            this.day(now).claimed += amount;
        }
    }

    private takeRegistryEvent(opcode: number, slice: Slice): void {
        if (opcode === 0xc0c00131) {
            const provider = raw(slice.loadUintBig(256));
            this.takeNode(`${provider}/${slice.loadUint(32)}`, slice.loadRef().beginParse());
        } else if (opcode === 0xc0c00132) {
            const client = slice.loadAddress().toRawString();
            const [model, queries, endsAt] = [hex(slice.loadUintBig(256)), slice.loadUint(32), slice.loadUint(32)];
            this.demands.set(`${client}/${model}`, { model, queries, endsAt });
        }
    }

    private takeNode(key: string, content: Slice): void {
        const opcode = content.loadUint(32);
        if (opcode === 0xc0c00310) {
            content.skip(8);
            const [gpus, vram, model] = [content.loadUint(16), content.loadUint(16), content.loadBuffer(32)];
            content.skip(512);
            const service = content.loadRef().beginParse();
            const region = service.loadBuffer(16).toString().replaceAll('\0', '');
            const offers = offersIn(content.loadMaybeRef());
            const attestation = content.loadMaybeRef()?.beginParse();
            const tier = attestation?.loadUint(8) ?? 0;
            const attestedUntil = attestation?.skip(256).loadUint(32) ?? 0;
            const gpu = model.toString().replaceAll('\0', '');
            this.nodes.set(key, { open: true, gpus, vram, gpu, region, tier, attestedUntil, offers });
        } else if (opcode === 0xc0c00311) {
            this.nodes.get(key)!.offers = offersIn(content.loadMaybeRef());
        } else if (opcode === 0xc0c00317) {
            this.nodes.get(key)!.open = false;
        }
    }

    private takeProviderEvent(opcode: number, slice: Slice, at: number, provider: string): void {
        if (opcode === 0xc0c00230) {
            slice.skip(8 + 32 + 256);
            const amount = slice.loadUintBig(64);
            this.stakes.set(provider, this.stakes.get(provider)! - amount);
            this.day(at).slashes++;
            this.day(at).slashed += amount;
        } else if (opcode === 0xc0c00231) {
            this.day(at).faults++;
        }
    }

    /** The lower middle price of each model, by its open nodes. */
    medians(): Map<string, bigint[]> {
        const offers = [...this.nodes.values()].filter(({ open }) => open).flatMap((node) => node.offers);
        return new Map(
            [...new Set(offers.map(({ model }) => model))].map((model) => {
                const own = offers.filter((offer) => offer.model === model);
                return [
                    model,
                    RATES.map((_, i) => {
                        const sorted = own.map(({ rates }) => rates[i]).sort((a, b) => Number(a - b));
                        return sorted[Math.floor((sorted.length - 1) / 2)];
                    }),
                ] as const;
            }),
        );
    }

    /** GPUs of open nodes by a name. */
    gpusBy(nameOf: (node: CountedNode) => string): Record<string, number> {
        const sums: Record<string, number> = {};
        for (const node of this.nodes.values()) {
            if (node.open) {
                sums[nameOf(node)] = (sums[nameOf(node)] ?? 0) + node.gpus;
            }
        }
        return sums;
    }
}

/** Each offer is a cell of 512 bits, and the next one is its reference. */
function offersIn(cell: Cell | null): CountedNode['offers'] {
    if (cell === null) {
        return [];
    }
    const slice = cell.beginParse();
    const offer = { model: hex(slice.loadUintBig(256)), rates: RATES.map(() => slice.loadUintBig(64)) };
    return [offer, ...offersIn(slice.remainingRefs > 0 ? slice.loadRef() : null)];
}
