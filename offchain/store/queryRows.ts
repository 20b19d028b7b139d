/** The rows that each query of a gateway changes, in its SQLite file: queries, vouchers and usage. */
import { noTokens, type SignedVoucher } from '@cocoon-market/wrappers';
import type { Database as Sqlite } from 'better-sqlite3';
import { amountFromBytes, amountToBytes } from './database';
import { type VoucherColumns, voucherOf } from './gatewayTables';
import type { StoredEnding, StoredQuery, WholeQuery } from './gateway';
import type { GroupCommit } from './groupCommit';
import { HotRows } from './hotRows';
import { dayOf, type StoredUsage, type UsageSlot, type UsedQuery } from './people';

type QueryId = Pick<StoredQuery, 'job' | 'number'>;

interface VoucherRow {
    channel: Buffer;
    voucher: SignedVoucher | null;
}

/** The queries of hot writes. What several writes of a group change is written once, at its end. */
export class QueryRows {
    private readonly statements: ReturnType<typeof prepare>;
    private readonly vouchers: HotRows<VoucherRow>;
    private readonly usage: HotRows<StoredUsage>;

    constructor(file: Sqlite, writes: Pick<GroupCommit<never>, 'defer'>) {
        this.statements = prepare(file);
        this.vouchers = new HotRows(({ channel, voucher }) => {
            const { cumulative, count, signature } = voucher!;
            this.statements.writeVoucher.run(amountToBytes(cumulative), count, signature, channel);
        });
        this.usage = new HotRows(
            (row) => void this.statements.writeUsage.run({ ...row, cost: amountToBytes(row.cost) }),
        );
        writes.defer(this.vouchers, this.usage);
    }

    /** See `GatewayStore.saveVoucher`; false if nothing is stored. */
    saveVoucher(channel: Buffer, voucher: SignedVoucher): boolean {
        const row = this.vouchers.get(channel.toString('latin1'), () => {
            const stored = this.statements.readVoucher.get(channel);
            return stored && { channel, voucher: voucherOf(stored) };
        });
        const newest = row?.voucher;
        if (row === undefined || (newest && (newest.cumulative > voucher.cumulative || newest.count > voucher.count))) {
            return false;
        }
        row.voucher = voucher;
        this.vouchers.mark(row);
        return true;
    }

    /** See `GatewayStore.addQuery`. */
    addQuery(
        { secret, apiKey = '', ...query }: StoredQuery,
        whole: Pick<WholeQuery, 'session' | 'sealed'> | undefined,
    ): void {
        const { job, number } = query;
        this.statements.addQuery.run({ ...query, apiKey, ceiling: amountToBytes(query.ceiling) });
        if (secret !== null) {
            this.statements.addSecret.run(job, number, secret);
            if (whole !== undefined) {
                this.statements.addWhole.run(job, number, whole.session, secret, whole.sealed);
            }
        }
    }

    saveAccept(job: number, number: number, accept: Buffer): void {
        this.statements.saveAccept.run(accept, job, number);
    }

    endQuery(query: QueryId, { phase, accept, receipt, entry, answer, used, breach }: StoredEnding): void {
        const { job, number } = query;
        if (used !== undefined) {
            this.addUsage(query, used);
        }
        if (breach !== undefined) {
            this.statements.leave.run(breach.reason, breach.at, job);
        }
        if (answer === undefined) {
            this.statements.dropWhole.run(job, number);
        } else {
            this.statements.saveAnswer.run(answer, job, number);
        }
        this.statements.dropSecret.run(job, number);
        const amounts = entry && { price: amountToBytes(entry.price), cumulative: amountToBytes(entry.cumulative) };
        const { index, price, cumulative } = {
            ...{ index: entry?.index ?? null, price: null, cumulative: null },
            ...amounts,
        };
        const columns = [phase, accept ?? null, receipt ?? null, index, price, cumulative];
        this.statements.endQuery.run(...columns, job, number);
    }

    /** Adds a query to the usage of the day on which it was asked, unless it has its ending. */
    addUsage({ job, number }: QueryId, { model, worker, cost, tokens = noTokens }: UsedQuery): void {
        const query = this.statements.readQuery.get(job, number);
        if (query?.phase !== 'open') {
            return;
        }
        const slot = { day: dayOf(query.askedAt), apiKey: query.apiKey, model, worker };
        const row = this.usage.get(JSON.stringify(slot), () => this.readUsage(slot));
        row.queries += 1;
        row.cost += cost;
        row.prompt += tokens.prompt;
        row.cached += tokens.cached;
        row.completion += tokens.completion;
        row.reasoning += tokens.reasoning;
        this.usage.mark(row);
    }

    private readUsage(slot: UsageSlot): StoredUsage {
        const stored = this.statements.readUsage.get(slot.day, slot.apiKey, slot.model, slot.worker);
        return stored === undefined
            ? { ...slot, ...noTokens, queries: 0, cost: 0n }
            : { ...stored, cost: amountFromBytes(stored.cost) };
    }
}

function prepare(file: Sqlite) {
    const ofQuery = 'WHERE job = ? AND number = ?';
    return {
        readVoucher: file.prepare<[Buffer], VoucherColumns>(
            'SELECT cumulative, count, signature FROM job WHERE channel = ?',
        ),
        writeVoucher: file.prepare('UPDATE job SET cumulative = ?, count = ?, signature = ? WHERE channel = ?'),
        addQuery: file.prepare(
            `INSERT INTO query (job, number, phase, salt, commitment, request, ceiling, promptBound, stopBound,
                tokenizer, askedAt, "apiKey")
            VALUES (@job, @number, 'open', @salt, @commitment, @request, @ceiling, @promptBound, @stopBound,
                @tokenizer, @askedAt, @apiKey)`,
        ),
        addSecret: file.prepare('INSERT INTO secret (job, number, secret) VALUES (?, ?, ?)'),
        addWhole: file.prepare('INSERT INTO whole (job, number, session, secret, sealed) VALUES (?, ?, ?, ?, ?)'),
        saveAccept: file.prepare(`UPDATE query SET accept = ? ${ofQuery}`),
        readQuery: file.prepare<[number, number], { apiKey: string; askedAt: number; phase: string }>(
            `SELECT "apiKey", askedAt, phase FROM query ${ofQuery}`,
        ),
        leave: file.prepare(
            `UPDATE job SET phase = 'leaving', note = ?, breachAt = ?
            WHERE number = ? AND phase IN ('open', 'settling')`,
        ),
        dropWhole: file.prepare(`DELETE FROM whole ${ofQuery}`),
        saveAnswer: file.prepare(`UPDATE whole SET answer = ? ${ofQuery}`),
        dropSecret: file.prepare(`DELETE FROM secret ${ofQuery}`),
        // What an ending does not say stays.
        endQuery: file.prepare(
            `UPDATE query SET phase = ?, accept = coalesce(?, accept), receipt = coalesce(?, receipt),
                "index" = coalesce(?, "index"), price = coalesce(?, price), cumulative = coalesce(?, cumulative)
            ${ofQuery}`,
        ),
        readUsage: file.prepare<[number, string, string, string], Omit<StoredUsage, 'cost'> & { cost: Buffer }>(
            'SELECT * FROM usage WHERE day = ? AND "apiKey" = ? AND model = ? AND worker = ?',
        ),
        writeUsage: file.prepare(
            `REPLACE INTO usage (day, "apiKey", model, worker, queries, prompt, cached, completion, reasoning, cost)
            VALUES (@day, @apiKey, @model, @worker, @queries, @prompt, @cached, @completion, @reasoning, @cost)`,
        ),
    };
}
