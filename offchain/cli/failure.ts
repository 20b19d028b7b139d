/**
 * What the command line prints of a failed command: what failed, the causes, and what to do if a cause is recognised.
 */
import { ChainError } from '../chain/errors';
import { Remedied } from '../process/errors';

interface Failure {
    code?: string;
    path?: string;
    address?: string;
    port?: number;
    message?: string;
    cause?: unknown;
}

const MAX_CAUSES = 8;
const ENDPOINT = 'look at "endpoint" in the configuration or at --endpoint, and whether it runs';

/**
 * The error and its causes, down to one that says what to do. A recognised cause comes with its remedy, and nothing
 * comes twice.
 */
export function tellFailure(error: unknown): string {
    const chain = causesOf(error);
    const texts = chain
        .map((each) => remedyOf(each) ?? textOf(each))
        .filter((text, i, all) => text !== '' && !all.slice(0, i).some((earlier) => earlier.includes(text)));
    return texts.join(': ');
}

function causesOf(error: unknown): unknown[] {
    const chain = [error];
    while (chain.length < MAX_CAUSES && !(chain.at(-1) instanceof Remedied)) {
        const { cause } = (chain.at(-1) ?? {}) as Failure;
        if (cause === undefined || chain.includes(cause)) {
            break;
        }
        chain.push(cause);
    }
    return chain;
}

function textOf(error: unknown): string {
    const text = error instanceof Error ? error.message || ((error as Failure).code ?? error.name) : String(error);
    return text.trim();
}

/** What to do about a file, a server or a module of which the system only says that it failed. */
function remedyOf(error: unknown): string | undefined {
    const { code, path, address, port, message = '' } = (error ?? {}) as Failure;
    if (code === 'ERR_DLOPEN_FAILED' && message.includes('NODE_MODULE_VERSION')) {
        const version = process.versions.node;
        return `A native module was built for another version of Node.js than this one (${version}): run "npm rebuild better-sqlite3" with it, or use the version it was built with`;
    }
    if (message.startsWith('Could not locate the bindings file')) {
        return 'The native module better-sqlite3 has no binary for this machine: run "npm rebuild better-sqlite3" where cocoon is installed, with its scripts allowed';
    }
    if (code?.startsWith('SQLITE_BUSY') === true) {
        return 'Another process uses the store: stop it first';
    }
    if (error instanceof ChainError && error.silent) {
        return `${message}: ${ENDPOINT}`;
    }
    if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT') {
        return `Nothing answers (${message || code}): check the address, and whether a server runs there`;
    }
    if (code === 'EADDRINUSE') {
        return `Another program listens at ${address}:${port}: end it, or name another port (--port, --listen, or "listen" in the configuration)`;
    }
    const remedies: Record<string, string> = {
        ENOENT: `There is no ${path}: check the name and its folder`,
        EEXIST: `${path} exists already, and nothing is written over it: name another file`,
        EACCES: `This user may not use ${path}: look at its owner and mode`,
        EISDIR: `${path} is a folder: name a file`,
    };
    return path === undefined || code === undefined ? undefined : remedies[code];
}
