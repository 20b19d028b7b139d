/**
 * The token by which the gateway knows the command line of its own user from everybody else who reaches its port. It is
 * made at each start, in a file that only this user may read. A reverse proxy on the same machine does not have it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { hostOf, isLoopback } from '../process/publicAddress';
import { privateFolder } from '../store/privateFolder';

/** The header that carries it. */
export const ADMIN_HEADER = 'x-cocoon-admin';

const BYTES = 32;

function fileOf(url: string): string | undefined {
    const { port, protocol } = new URL(url);
    const number = port || (protocol === 'https:' ? '443' : '80');
    const folder = privateFolder(userInfo().homedir);
    return folder && join(folder, `gateway-${number}.token`);
}

/** The token of a gateway that listens at a port; `remove` deletes its file. */
export class AdminToken {
    private readonly token = randomBytes(BYTES).toString('hex');
    private file: string | undefined;

    /** Writes it to the user's folder; false if the user has none. */
    write(url: string): boolean {
        this.file = fileOf(url);
        if (this.file === undefined) {
            return false;
        }
        const fresh = `${this.file}.${process.pid}`;
        writeFileSync(fresh, this.token, { mode: 0o600 });
        renameSync(fresh, this.file);
        return true;
    }

    matches(header: unknown): boolean {
        const [a, b] = [Buffer.from(this.token), Buffer.from(typeof header === 'string' ? header : '')];
        return a.length === b.length && timingSafeEqual(a, b);
    }

    remove(): void {
        if (this.file !== undefined && readToken(this.file) === this.token) {
            rmSync(this.file, { force: true });
        }
    }
}

function readToken(file: string): string | undefined {
    try {
        return readFileSync(file, 'utf8');
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
            return undefined;
        }
        throw error;
    }
}

/**
 * The headers with which this user may ask the gateway at this URL; none when it runs as another user, or not at all,
 * or on another machine, which would read the token of the gateway here.
 */
export function adminHeaders(url: string): Record<string, string> {
    const file = isLoopback(hostOf(url)) ? fileOf(url) : undefined;
    const token = file && readToken(file);
    return token === undefined ? {} : { [ADMIN_HEADER]: token };
}
