/** The log of a process, without secrets. */
import pino, { type Logger, type LoggerOptions } from 'pino';
import { reasonOf } from './errors';

interface LoggedError {
    type: string;
    message: string;
    code?: unknown;
    cause?: LoggedError;
    stack?: string;
}

/** Only these fields: an error of an HTTP client carries its whole request, API key included. */
function plainError(error: unknown): LoggedError {
    if (!(error instanceof Error)) {
        return { type: typeof error, message: 'not an Error' };
    }
    const { code } = error as { code?: unknown };
    return {
        type: error.name,
        message: error.message,
        ...(typeof code === 'string' && { code }),
        ...(error.cause !== undefined && { cause: plainError(error.cause) }),
        ...(error.stack !== undefined && { stack: error.stack }),
    };
}

const KEYS = ['apiKey', 'key', 'seed', 'seeds', 'secret', 'wallet', 'receiptKey', 'encryptionKey', 'headers'];
const TEXTS = ['prompt', 'messages', 'chat', 'content', 'text', 'body'];

/** How a log is made: no seed, no API key, nothing of prompts and answers. */
export const logOptions: LoggerOptions = {
    base: undefined,
    serializers: { err: plainError },
    redact: { paths: [...KEYS, ...TEXTS].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), remove: true },
};

/** The log of a process, on standard error. */
export function createLog(level: string): Logger {
    return pino({ ...logOptions, level }, pino.destination({ dest: 2, sync: true }));
}

/** Logs the reason of an error that nobody else handles: for `catch`, and for what a background task calls. */
export function reporting(log: Logger, level: 'warn' | 'error', message: string, fields: object = {}) {
    return (error: unknown): void => log[level]({ ...fields, reason: reasonOf(error) }, message);
}
