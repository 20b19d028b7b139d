/**
 * The evidence that a node shows of its keys. It comes from a file, read again whenever it changes, or from a command that
 * the worker runs at its start and again well before the evidence ends. Jobs know nothing of it: a client that finds the old
 * evidence at its end asks for the new one and goes on.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { reportData } from '../attest';
import type { AttestedKeys } from '../attest';
import { attestation } from '../link';
import type { AttestationProof } from '../link';
import type { WorkerConfig } from './config';

const COMMAND_MS = 120_000;
const OUTPUT_BYTES = 1 << 20;
const RETRY_MS = 60_000;

const run = promisify(execFile);

/** What {@link Evidence} needs to know of its node. */
export interface EvidenceContext {
    source: WorkerConfig['attestation'];
    keys: AttestedKeys;
    log: Logger;
    now: () => number; // unix seconds
}

/** The newest evidence of one node. */
export class Evidence {
    private changed = 0; // when the file was, milliseconds
    private timer: NodeJS.Timeout | undefined;
    private closed = false;

    private constructor(
        private readonly context: EvidenceContext,
        private newest: AttestationProof,
    ) {}

    /** Throws when there is no evidence at all, or it is about to end. */
    static async open(context: EvidenceContext): Promise<Evidence> {
        const evidence = new Evidence(context, { tier: 'open' });
        const { source } = context;
        if (source !== 'open') {
            await (typeof source === 'string' ? evidence.read(source) : evidence.make(source));
        }
        return evidence;
    }

    /** The evidence to show now. */
    current(): AttestationProof {
        const { source, log } = this.context;
        if (typeof source === 'string' && source !== 'open') {
            try {
                this.read(source);
            } catch (error) {
                log.error({ err: error }, 'attestation: the new evidence is not used');
            }
        }
        return this.newest;
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
    }

    private read(path: string): void {
        const { mtimeMs } = statSync(path);
        if (mtimeMs !== this.changed) {
            this.changed = mtimeMs; // also of a file that cannot be used: its fault is logged once
            this.take(attestation.parse(JSON.parse(readFileSync(path, 'utf8'))));
        }
    }

    private async make(source: Exclude<WorkerConfig['attestation'], string>): Promise<void> {
        const { keys, now } = this.context;
        const expiry = now() + source.seconds;
        const [command, ...fixed] = source.command;
        const args = [...fixed, reportData(keys, expiry).toString('hex'), String(expiry)];
        const { stdout } = await run(command, args, { timeout: COMMAND_MS, maxBuffer: OUTPUT_BYTES });
        this.take(attestation.parse(JSON.parse(stdout)), expiry);
        this.later(source, (source.seconds / 2) * 1000);
    }

    private later(source: Exclude<WorkerConfig['attestation'], string>, ms: number): void {
        if (this.closed) {
            return;
        }
        this.timer = setTimeout(() => {
            this.make(source).catch((error: unknown) => {
                this.context.log.error({ err: error }, 'attestation: not renewed, tried again');
                this.later(source, Math.min(RETRY_MS, ms));
            });
        }, ms).unref();
    }

    private take(next: AttestationProof, expiry?: number): void {
        if (next.tier !== 'open' && next.expiry <= this.context.now()) {
            throw new Error('The evidence has expired: make it again');
        }
        if (expiry !== undefined && (next.tier === 'open' || next.expiry !== expiry)) {
            throw new Error('The command made evidence with another expiry than it was given');
        }
        this.newest = next;
    }
}
