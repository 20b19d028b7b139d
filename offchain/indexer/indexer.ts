/** Finds the accounts of a market from its Registry's address, and follows them all. */
import { registryCode } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TransactionId } from '../chain';
import { unixSeconds } from '../process/clock';
import { Remedied } from '../process/errors';
import { amountFromBytes } from '../store/database';
import { type ChainTime, type Followed, Follower } from './follower';
import { inParallel } from '../process/parallel';
import { escrowsAmong } from './escrows';
import { readProviders } from './readings';
import { locateSenders } from './senders';
import type { FollowLimits, IndexerParts } from './parts';
import type { MasterBlock } from './source';
import type { Log } from './logRows';
import { MISTAKEN, NAMED, UNNAMED } from './named';
import { Notices } from './notices';
import { HistoryError } from './transaction';
import { EscrowTurns } from './escrowTurns';
import { commonTip, hasWitness, listsSome, requireLarge, requireWitnesses } from './witnesses';
import { UNDONE } from './writes';

/** What one pass did. */
export interface PassReport {
    calls: number; // of the endpoint
    logs: number; // accounts that were looked at
    added: number; // transactions
    undone: number; // transactions that another history replaced
    behind: number; // accounts of which the endpoint is behind what is stored
    unresolved: number; // payments to payouts whose sender's transaction the endpoint does not find
    unfinished: number; // accounts and payments with which the next pass goes on
    block: number; // seqno of the masterchain at the start of the pass
}

/** The newest block that an endpoint named, as the mark `block` has it; times in unix seconds. */
export interface BlockMark extends MasterBlock {
    at: number; // when it was named first
    readAt: number; // when the last pass began that read everything up to it
}

const MAX_UNDO_SECONDS = 3600;
const FINAL_SECONDS = 3600;
const MAX_SIZE = 200_000; // transactions
const CONFIRM_AFTER = 10_000; // transactions
const SLOW_SECONDS = 60;
const LAG_SECONDS = 10;
const LAG_POLL_MS = 500;
const MAX_UNUSED = 100;

export class Indexer {
    private readonly follower: Follower;
    private readonly limits: FollowLimits;
    private readonly absent = new Set<string>(); // accounts that this pass found without code
    private readonly sought = new Set<string>(); // logs that were mistaken, of which the life of the job was sought once
    private readonly notices: Notices;
    private readonly turns: EscrowTurns;

    constructor(private readonly parts: IndexerParts) {
        this.notices = new Notices(parts.onNotice);
        this.limits = {
            ...{ maxUndoSeconds: MAX_UNDO_SECONDS, maxSize: MAX_SIZE, finalSeconds: FINAL_SECONDS },
            ...{ confirmAfter: CONFIRM_AFTER, slowSeconds: SLOW_SECONDS, lagSeconds: LAG_SECONDS },
            ...{ maxUnused: MAX_UNUSED, ...parts.limits },
        };
        this.turns = new EscrowTurns(this.limits.maxUnused);
        const { source, store, registry } = parts;
        const confirm = (log: Log, id: TransactionId, isLarge?: boolean) => this.requireWitnesses(log, id, isLarge);
        const has = (log: Log, id: TransactionId) => hasWitness(parts.witnesses ?? [], witnessedOf(log, id));
        const lists = (log: Log, id: TransactionId) => listsSome(parts.witnesses ?? [], witnessedOf(log, id));
        this.follower = new Follower(source, store, registry, this.limits, confirm, has, lists);
    }

    /**
     * Reads what happened since the last pass: all of the market's own accounts, and of those that anyone may fill as
     * much as there is time for, so that none keeps the others waiting. The next pass goes on where this one ended,
     * also after an error or a kill.
     * @throws HistoryError if an endpoint contradicts itself or another one; ChainError; Remedied if the account is no
     * registry that this release knows
     */
    async pass(): Promise<PassReport> {
        return this.read().finally(() => this.notices.say());
    }

    private async read(): Promise<PassReport> {
        const { source, store, registry, network } = this.parts;
        const [callsBefore, readAt] = [source.calls, (this.parts.now ?? unixSeconds)()];
        await store.bind(`${network} ${registry.toRawString()}`);
        const { block, behind, firstAt = readAt } = await this.checkTip();
        await this.requireRegistry();
        const report: PassReport = {
            ...{ calls: 0, logs: 0, added: 0, undone: 0, behind: 0, unresolved: 0, unfinished: 0 },
            block: block.seqno,
        };
        await store.follow('registry', [registry.toRawString()], 0n);
        const finished = new Set<string>();
        // Channels of which only what others got says more; and those of which the endpoint does not find who paid it.
        const [deleted, lost] = [new Set<string>(), new Set<string>()];
        const begin = performance.now();
        const end = begin + this.limits.slowSeconds * 1000;
        const isLate = () => performance.now() >= end;
        const hasWitnesses = (this.parts.witnesses?.length ?? 0) > 0;
        let remaining = 0; // payments, and what they name
        // What is read names further accounts, until nothing new is named.
        this.absent.clear();
        this.turns.begin();
        await this.release(); // of a pass that was killed
        for (let found = true; found;) {
            const undone = report.undone;
            const doubted: Log[] = [];
            let unconfirmed = 0; // transactions
            let hasPayments = false;
            found = false;
            const chain = { at: await this.newest(), behind, isLate };
            for await (const logs of store.growing(chain.at - this.limits.finalSeconds, { hasWitnesses })) {
                const next = logs.filter((each) => !finished.has(each.log) && !this.turns.isWaiting(each));
                found ||= next.length > 0;
                await inParallel(next, async (log) => {
                    const followed = await this.followOne(log, chain, report);
                    finished.add(log.log);
                    hasPayments ||= followed.added > 0 && (log.role === 'payout' || log.role === 'escrow');
                    if (followed.isGone && followed.log.endedAt === null) {
                        deleted.add(log.log);
                    }
                    if (followed.isLost) {
                        lost.add(log.log);
                    }
                    await this.confirm(followed.log).catch((error: unknown) => {
                        unconfirmed += followed.added;
                        if (!(error instanceof HistoryError) || unconfirmed > this.limits.confirmAfter) {
                            throw error; // one endpoint must not fill the disk with accounts that it makes up
                        }
                        doubted.push(followed.log);
                    });
                });
            }
            await this.confirmLater(doubted); // before what they name is followed
            if (report.undone > undone) {
                (await this.release()).forEach((log) => finished.delete(log));
            }
            (await this.forget([MISTAKEN], this.sought)).forEach((log) => finished.delete(log));
            await this.discover();
            if (hasPayments) {
                deleted.forEach((log) => finished.delete(log));
                deleted.clear();
            }
            if (!found) {
                // Each sender costs a call, so first every account is read that is named without one.
                // They get as much time as the accounts took, because dust of strangers hides the payments of channels.
                const until = Math.max(end, 2 * performance.now() - begin);
                const located = await locateSenders(this.parts, () => performance.now() >= until);
                const isNew = await this.discover();
                found = isNew && !isLate();
                report.unresolved = located.unresolved + lost.size;
                remaining = located.more + (isNew && !found ? 1 : 0);
            }
        }
        if (lost.size > 0) {
            const what = `what ${lost.size} accounts that are gone did, such as ${[...lost][0]}`;
            this.notices.add('lost', `The endpoint does not find ${what}`);
        }
        await readProviders(this.parts);
        if (!behind) {
            await store.setMark('block', JSON.stringify({ ...block, at: firstAt, readAt }));
        }
        report.unfinished += remaining;
        report.calls = source.calls - callsBefore;
        report.logs = finished.size;
        return report;
    }

    private async followOne(log: Log, chain: ChainTime, report: PassReport): Promise<Followed> {
        const followed = await this.follower.follow(await this.settled(log, report), chain);
        this.turns.note(followed.log);
        report.added += followed.added;
        report.undone += followed.undone;
        report.behind += followed.behind ? 1 : 0;
        report.unfinished += followed.log.walk === undefined ? 0 : 1;
        const note = (kind: string, isSo: boolean, what: string) =>
            isSo && this.notices.add(kind, `${log.log}: ${what}`);
        note('undone', followed.undone > 0, `${followed.undone} transactions were replaced by another history`);
        note('repeated', followed.repeated > 0, `the endpoint listed ${followed.repeated} transactions twice`);
        note('behind', followed.behind, 'the endpoint is behind what is stored');
        note('busy', followed.log.busy, 'more transactions, or larger ones, than are read, so it is not followed');
        return followed;
    }

    /**
     * Confirms what some endpoint did not have yet: each is a little behind others now and then, and accounts without a
     * pause would else let no pass come to its end.
     */
    private async confirmLater(doubted: readonly Log[]): Promise<void> {
        const end = performance.now() + this.limits.lagSeconds * 1000;
        for (const log of doubted) {
            for (let isConfirmed = false; !isConfirmed;) {
                try {
                    await this.confirm(log);
                    isConfirmed = true;
                } catch (error) {
                    if (!(error instanceof HistoryError) || performance.now() >= end) {
                        throw error;
                    }
                    await sleep(LAG_POLL_MS);
                }
            }
        }
    }

    /** Every endpoint must have the newest transaction, and with it everything before. */
    private async confirm(log: Log): Promise<void> {
        const { done, confirmed } = log;
        if (done !== undefined && confirmed?.equals(done.hash) !== true && this.parts.witnesses?.length) {
            await this.requireWitnesses(log, done);
            await this.parts.store.confirm(log.log, done);
        }
    }

    /**
     * A log without what an earlier pass stored and could not confirm, if an endpoint still does not have it. One
     * endpoint alone would else fill the disk pass by pass, and what it dates back could never be undone.
     */
    private async settled(log: Log, report: PassReport): Promise<Log> {
        try {
            await this.confirm(log);
            return log;
        } catch (error) {
            if (!(error instanceof HistoryError)) {
                throw error;
            }
            const { log: rest, undone } = await this.parts.store.dropUnconfirmed(log.log);
            report.undone += undone;
            this.notices.add('dropped', `${error.message}; so ${undone} transactions are dropped`);
            return rest;
        }
    }

    private requireWitnesses(log: Log, id: TransactionId, isLarge = false): Promise<void> {
        const { witnesses = [] } = this.parts;
        const ask = isLarge ? requireLarge : requireWitnesses;
        return ask(witnesses, witnessedOf(log, id));
    }

    /** The masterchain never goes back: an endpoint whose blocks do is not believed. */
    private async checkTip(): Promise<{ block: MasterBlock; behind: boolean; firstAt?: number }> {
        const { source, witnesses = [], store } = this.parts;
        const [tip, mark] = [await commonTip([source, ...witnesses]), await store.mark('block')];
        const earlier = mark === undefined ? undefined : (JSON.parse(mark) as BlockMark);
        if (earlier !== undefined && tip.seqno < earlier.seqno) {
            this.notices.add('tip', `The endpoint is at block ${tip.seqno}, and was at ${earlier.seqno}`);
        }
        if (earlier !== undefined && tip.seqno === earlier.seqno && tip.hash !== earlier.hash) {
            throw new HistoryError(
                `The endpoint names block ${tip.seqno} by the hash ${tip.hash}, and before by ${earlier.hash}`,
            );
        }
        return {
            ...{ block: tip, behind: earlier !== undefined && tip.seqno < earlier.seqno },
            ...(earlier?.seqno === tip.seqno && { firstAt: earlier.at }),
        };
    }

    private async requireRegistry(): Promise<void> {
        const { source, store, registry } = this.parts;
        const code = (await registryCode()).hash().toString('hex');
        if ((await store.mark('registryCode')) === code) {
            return;
        }
        const found = (await source.state(registry)).code?.hash().toString('hex');
        if (found !== code) {
            const what = found === undefined ? 'has no code' : `has the code ${found}`;
            throw new Remedied(`The account ${registry.toRawString()} ${what}, and a registry has ${code}`, {
                remedy: 'check the address, the network and the version of cocoon',
            });
        }
        await store.setMark('registryCode', code);
    }

    /** Unix seconds of the newest transaction that is stored. */
    private async newest(): Promise<number> {
        const { at } = await this.parts.store.db
            .selectFrom('facts')
            .select(sql<number | null>`max(at)`.as('at'))
            .executeTakeFirstOrThrow();
        return at ?? 0;
    }

    /** The lt of the registry's first transaction: nothing before it is of this market. */
    private async birth(): Promise<bigint> {
        const log = `registry/${this.parts.registry.toRawString()}`;
        const row = await this.parts.store.db
            .selectFrom('transactions')
            .select('lt')
            .where('log', '=', log)
            .orderBy('lt')
            .limit(1)
            .executeTakeFirst();
        return row === undefined ? 0n : amountFromBytes(row.lt);
    }

    /** Follows every account that the facts name; true if one of them is new. */
    private async discover(): Promise<boolean> {
        const { store } = this.parts;
        let found = false;
        const birth = await this.birth();
        for (const role of ['provider', 'payout', 'escrow', 'channel'] as const) {
            const rows = await sql<{ account: string }>`
                SELECT account FROM (${sql.raw(NAMED[role])}) AS named
                WHERE NOT EXISTS (SELECT 1 FROM logs WHERE logs.log = ${`${role}/`} || named.account)`.execute(
                store.db,
            );
            const candidates = rows.rows.map(({ account }) => account).filter((account) => account.startsWith('0:'));
            const accounts = role === 'escrow' ? await escrowsAmong(this.parts, candidates, this.absent) : candidates;
            await store.follow(role, accounts, role === 'payout' || role === 'escrow' ? birth : 0n);
            found ||= accounts.length > 0;
        }
        return found;
    }

    /** Forgets the accounts that no fact names any more, after facts were undone; returns their logs. */
    private async release(): Promise<string[]> {
        if ((await this.parts.store.mark(UNDONE)) === undefined) {
            return [];
        }
        const released = await this.forget(UNNAMED);
        await this.parts.store.removeMark(UNDONE);
        return released;
    }

    /** Forgets the logs that queries find, one query after the other, and were not yet `forgotten`; returns them. */
    private async forget(queries: readonly string[], forgotten = new Set<string>()): Promise<string[]> {
        const found: string[] = [];
        for (const query of queries) {
            const { rows } = await sql<{ log: string }>`${sql.raw(query)}`.execute(this.parts.store.db);
            for (const { log } of rows.filter((row) => !forgotten.has(row.log))) {
                await this.parts.store.forget(log);
                this.turns.forget(log);
                forgotten.add(log);
                found.push(log);
            }
        }
        return found;
    }
}

const witnessedOf = ({ log, account }: Log, id: TransactionId) => ({
    what: log,
    account: Address.parseRaw(account),
    id,
});
