/** The certificate with which the gateway answers by HTTPS, read again when its files change. */
import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { reasonOf } from '../process/errors';

/** The files of a certificate (with its chain) and of its key, both PEM. */
export interface TlsFiles {
    cert: string;
    key: string;
}

interface Certificate {
    cert: Buffer;
    key: Buffer;
}

/** The certificate and its key. Throws if they do not belong together, or if others may read the key. */
export function readCertificate({ cert, key }: TlsFiles): Certificate {
    if ((statSync(key).mode & 0o007) !== 0) {
        throw new Error(`${key} holds the key of a certificate and everybody may read it: chmod 640 ${key}`);
    }
    const read = { cert: readFileSync(cert), key: readFileSync(key) };
    try {
        createSecureContext(read);
    } catch (error) {
        throw new Error(`${cert} and ${key} are no certificate and its key: ${reasonOf(error)}`, { cause: error });
    }
    return read;
}

/** Follows the files. A pair that does not fit is logged, and the last one that did stays in use. */
export class CertificateWatch {
    private last: string;

    constructor(
        private readonly files: TlsFiles,
        private readonly server: Pick<Server, 'setSecureContext'>,
        private readonly log: Logger,
    ) {
        this.last = this.stamp();
    }

    /** Takes the files if they have changed. New connections then get the new certificate. */
    async check(): Promise<void> {
        const stamp = this.stamp();
        if (stamp === this.last) {
            return;
        }
        this.last = stamp;
        try {
            this.server.setSecureContext(readCertificate(this.files));
            this.log.info({ file: this.files.cert }, 'the certificate was read again');
        } catch (error) {
            this.log.error({ reason: reasonOf(error) }, 'the new certificate cannot be used, so the old one stays');
        }
    }

    private stamp(): string {
        return [this.files.cert, this.files.key].map(stampOf).join(' ');
    }
}

function stampOf(file: string): string {
    try {
        const { mtimeMs, size, ino } = statSync(file);
        return `${mtimeMs} ${size} ${ino}`;
    } catch {
        return 'absent';
    }
}
