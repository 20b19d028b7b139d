/**
 * The alert `stopped`: the worker ended at once, or does not start. It is brought to the operator before the process
 * ends, because a container and a service end everything that the process leaves behind.
 */
import { spawnSync } from 'node:child_process';
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { addressText } from '../../process/addresses';
import { unixSeconds } from '../../process/clock';
import type { WorkerConfig } from '../config';
import { type AlertNotice, alertSeverities } from './board';
import { bodyOf, environmentOf } from './notify';

const MAX_MS = 3000; // for webhook and command together

/**
 * A program that posts a body and runs a command at the same time, as its input says. It prints a line for each that
 * succeeds. The worker's thread waits for it and does nothing else, so the worker signs and sends nothing more.
 */
const MESSENGER = `
const { webhook, command, body, ms } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const done = () => console.log('delivered');
if (webhook !== undefined) {
    const headers = { 'content-type': 'application/json' };
    fetch(webhook, { method: 'POST', headers, body, signal: AbortSignal.timeout(ms) }).then(
        ({ ok }) => ok && done(),
        () => undefined,
    );
}
if (command !== undefined) {
    const options = { timeout: ms, killSignal: 'SIGKILL', stdio: ['pipe', 'ignore', 'ignore'] };
    const child = require('child_process').spawn(command[0], command.slice(1), options);
    child.on('error', () => undefined).on('exit', (code) => code === 0 && done());
    child.stdin.on('error', () => undefined).end(body);
}
`;

type Told = Pick<WorkerConfig, 'alerts' | 'network' | 'node' | 'store'>;

/** Tells that the worker ended for this reason. Returns when that is delivered, or after three seconds. */
export function tellStopped(config: Told, reason: string): void {
    tell(config, `the worker stopped: ${reason}`);
}

/**
 * Tells that the worker does not start, as {@link tellStopped} does. A service tries again and again, so this is told
 * once in `repeatSeconds`, until {@link forgetFailedStart}.
 */
export function tellFailedStart(config: Told, reason: string): void {
    const { alerts } = config;
    const file = fileOf(config);
    const now = unixSeconds();
    if (
        Math.abs(now - changedAt(file)) < alerts.repeatSeconds ||
        !tell(config, `the worker did not start: ${reason}`)
    ) {
        return;
    }
    try {
        writeFileSync(file, '');
        utimesSync(file, now, now);
    } catch {
        // It is told again at the next start: rather too often than never.
    }
}

/** The worker has started: its next failed start is told at once. */
export function forgetFailedStart(config: Told): void {
    try {
        rmSync(fileOf(config), { force: true });
    } catch {
        // The disk takes no change: what needs it fails by itself.
    }
}

// Empty, so that a full disk can take it; its time says when it was told.
const fileOf = ({ store }: Told): string => `${store}.failed-start`;

/** In unix seconds; 0 if there is no such file. */
function changedAt(file: string): number {
    try {
        return statSync(file).mtimeMs / 1000;
    } catch {
        return 0;
    }
}

/** True if webhook or command has it. */
function tell({ alerts: { webhook, command }, network, node }: Told, message: string): boolean {
    if (webhook === undefined && command === undefined) {
        return false;
    }
    const notice: AlertNotice = {
        ...{ event: 'raised', alert: 'stopped', severity: alertSeverities.stopped, subject: '', message },
        remedy: 'run "cocoon worker doctor" on its machine; accepted queries and demands go unanswered until it runs',
        ...{ since: unixSeconds(), node: addressText(node, { network }) },
    };
    const { stdout } = spawnSync(process.execPath, ['-e', MESSENGER], {
        ...{ timeout: MAX_MS, killSignal: 'SIGKILL', encoding: 'utf8', env: environmentOf(notice) },
        input: JSON.stringify({ webhook, command, body: bodyOf(notice), ms: MAX_MS - 500 }),
    });
    return typeof stdout === 'string' && stdout !== '';
}
