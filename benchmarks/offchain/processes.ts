/** What a process has used so far, from /proc. */
import { readFileSync } from 'node:fs';

const TICK_MS = 10; // of Linux: sysconf(_SC_CLK_TCK) is 100 everywhere that Node.js runs
const AFTER_NAME = 2; // fields of /proc/PID/stat before the state: the process id, and its name in brackets

/** Milliseconds of CPU that a process has used, in all its threads. */
export function cpuMs(pid: number): number {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + AFTER_NAME).split(' ');
    const [user, system] = [fields[11], fields[12]];
    return (Number(user) + Number(system)) * TICK_MS;
}

/** Bytes of memory that a process has resident. */
export function memoryOf(pid: number): number {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
}
