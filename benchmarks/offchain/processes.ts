/** What a process has used so far, from /proc. */
import { readFileSync } from 'node:fs';

const TICK_MS = 10; // of Linux: sysconf(_SC_CLK_TCK) is 100 everywhere that Node.js runs
const AFTER_NAME = 2; // fields of /proc/PID/stat before the state: the process id, and its name in brackets

/** Milliseconds of CPU that a process has used, in all its threads. */
export function cpuMs(pid: number): number {
    const [user, system] = timesOf(pid);
    return (user + system) * TICK_MS;
}

/** Milliseconds of CPU that a process and its children have used, also those that have ended. */
export function treeCpuMs(pid: number): number {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    const sum = (times: number[]) => times.reduce((total, time) => total + time, 0);
    return sum([sum(timesOf(pid)), ...children.map((child) => sum(timesOf(child)))].map((ticks) => ticks * TICK_MS));
}

/** Ticks of a process in its own code and in the system, and of its children that have ended. */
function timesOf(pid: number): number[] {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + AFTER_NAME).split(' ');
    return fields.slice(11, 15).map(Number);
}

/** Bytes of memory that a process has resident. */
export function memoryOf(pid: number): number {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
}
