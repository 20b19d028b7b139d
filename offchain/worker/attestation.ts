/**
 * The attestation of the node's keys. It comes from a file, which is read again whenever it changes, or from a command,
 * which the worker runs at its start and again halfway to the expiry. Jobs do not depend on it: a client whose
 * attestation expires asks for the new one.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { type AttestedKeys, reportData } from '../attest';
import { attestation, type AttestationProof } from '../link';
import type { WorkerConfig } from './config';

const COMMAND_MS = 120_000;
const OUTPUT_BYTES = 1 << 20;
const RETRY_MS = 60_000;

const run = promisify(execFile);

export interface AttestationSource {
    source: WorkerConfig['attestation'];
    keys: AttestedKeys;
    log: Logger;
    now: () => number; // unix seconds
}

type AttestationCommand = Exclude<WorkerConfig['attestation'], string>;

/** The newest attestation of one node. */
export class NodeAttestation {
    private changedAt = 0; // of the file, milliseconds
    private timer: NodeJS.Timeout | undefined;
    private closed = false;

    private constructor(
        private readonly context: AttestationSource,
        private newest: AttestationProof,
    ) {}

    /** Throws when the source has no attestation that is valid now. */
    static async open(context: AttestationSource): Promise<NodeAttestation> {
        const opened = new NodeAttestation(context, { tier: 'open' });
        const { source } = context;
        if (source !== 'open') {
            await (typeof source === 'string' ? opened.read(source) : opened.make(source));
        }
        return opened;
    }

    /** The attestation for clients now. */
    current(): AttestationProof {
        const { source, log } = this.context;
        if (typeof source === 'string' && source !== 'open') {
            try {
                this.read(source);
            } catch (error) {
                log.error({ err: error }, 'attestation: the new one is not used');
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

    private async make(source: AttestationCommand): Promise<void> {
        const { keys, now } = this.context;
        const expiry = now() + source.seconds;
        const [command, ...fixed] = source.command;
        const args = [...fixed, reportData(keys, expiry).toString('hex'), String(expiry)];
        const { stdout } = await run(command, args, { timeout: COMMAND_MS, maxBuffer: OUTPUT_BYTES });
        this.take(attestation.parse(JSON.parse(stdout)), expiry);
        this.renewLater(source, (source.seconds / 2) * 1000);
    }

    private renewLater(source: AttestationCommand, ms: number): void {
        if (this.closed) {
            return;
        }
        this.timer = setTimeout(() => {
            this.make(source).catch((error: unknown) => {
                this.context.log.error({ err: error }, 'attestation: not renewed, tried again');
                this.renewLater(source, Math.min(RETRY_MS, ms));
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
