/**
 * The attestation of the node's keys. It comes from a file, which is read again whenever it changes, or from a command,
 * which the worker runs at its start and again halfway to the expiry. Jobs do not depend on it: a client whose
 * attestation expires asks for the new one. A worker without one takes no new work, and asks its source again.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { type AttestedKeys, reportData } from '../attest';
import { attestation, type AttestationProof } from '../link';
import { reasonOf } from '../process/errors';
import type { WorkerConfig } from './config';

const COMMAND_MS = 120_000;
const OUTPUT_BYTES = 1 << 20;
const RETRY_MS = 60_000;

/** Why a worker without an attestation takes no new work. */
export const NO_ATTESTATION = 'the node has no attestation';

const execute = promisify(execFile);

export interface AttestationSource {
    source: WorkerConfig['attestation'];
    keys: AttestedKeys;
    log: Logger;
    now: () => number; // unix seconds
}

type AttestationCommand = Exclude<WorkerConfig['attestation'], string>;

/** The newest attestation of one node. */
export class NodeAttestation {
    private newest: AttestationProof | undefined;
    private changedAt = 0; // of the file, milliseconds
    private failure = ''; // of the file, as it was logged
    private timer: NodeJS.Timeout | undefined;
    private closed = false;

    constructor(private readonly context: AttestationSource) {
        this.newest = context.source === 'open' ? { tier: 'open' } : undefined;
    }

    /** Reads or makes the attestation. Throws if there is none that is valid now; a command then runs again. */
    async open(): Promise<void> {
        const { source } = this.context;
        if (typeof source !== 'string') {
            await this.make(source);
        } else if (source !== 'open') {
            this.read(source);
        }
    }

    /** The attestation for clients now; undefined if the source has never given a valid one. */
    current(): AttestationProof | undefined {
        const { source, log } = this.context;
        if (typeof source === 'string' && source !== 'open') {
            try {
                this.read(source);
                this.failure = '';
            } catch (error) {
                const failure = reasonOf(error);
                if (failure !== this.failure) {
                    log.error({ err: error }, 'attestation: the file is not used');
                }
                this.failure = failure;
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
        if (mtimeMs !== this.changedAt) {
            this.changedAt = mtimeMs; // also of a file that cannot be used, so that its error is logged once
            this.take(attestation.parse(JSON.parse(readFileSync(path, 'utf8'))));
        }
    }

    /** Runs the command, and again later: after half of the attestation's life, or soon if it fails. */
    private async make(source: AttestationCommand): Promise<void> {
        const halfLifeMs = (source.seconds / 2) * 1000;
        try {
            await this.run(source);
            this.makeLater(source, halfLifeMs);
        } catch (error) {
            this.makeLater(source, Math.min(RETRY_MS, halfLifeMs));
            throw error;
        }
    }

    private async run(source: AttestationCommand): Promise<void> {
        const { keys, now } = this.context;
        const expiry = now() + source.seconds;
        const [command, ...fixed] = source.command;
        const args = [...fixed, reportData(keys, expiry).toString('hex'), String(expiry)];
        const { stdout } = await execute(command, args, { timeout: COMMAND_MS, maxBuffer: OUTPUT_BYTES });
        this.take(attestation.parse(JSON.parse(stdout)), expiry);
    }

    private makeLater(source: AttestationCommand, ms: number): void {
        if (this.closed) {
            return;
        }
        this.timer = setTimeout(() => {
            this.make(source).catch((error: unknown) => {
                this.context.log.error({ err: error }, 'attestation: not made, tried again');
            });
        }, ms).unref();
    }

    private take(next: AttestationProof, expiry?: number): void {
        if (next.tier !== 'open' && next.expiry <= this.context.now()) {
            throw new Error('The attestation has expired: make it again');
        }
        if (expiry !== undefined && (next.tier === 'open' || next.expiry !== expiry)) {
            throw new Error('The command made an attestation with another expiry than the one it was given');
        }
        this.newest = next;
    }
}
