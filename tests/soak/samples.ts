/** Memory and handles of processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Sample {
    at: number; // milliseconds after the start of the load
    pid: number;
    memory: number; // bytes resident
    handles: number; // open file descriptors
}

/** Undefined when the process has ended. */
export function sampleOf(pid: number, at: number): Sample | undefined {
    try {
        const memory = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
        return memory === null
            ? undefined
            : { at, pid, memory: Number(memory[1]) * 1024, handles: readdirSync(`/proc/${pid}/fd`).length };
    } catch {
        return undefined;
    }
}

const MIN_SAMPLES = 12; // of one life, before a trend says anything
const MEMORY_ROOM = 24 << 20; // bytes: a heap grows and shrinks by as much between two collections
const MEMORY_PART = 0.1;
const HANDLES_ROOM = 12; // connections that happen to be open

/** How memory and handles of the last life of a process went: the medians of its second and its last third. */
export interface Trend {
    memory: [number, number]; // bytes
    handles: [number, number];
    samples: number;
    isFlat: boolean;
}

/** The trend of a process's last life. The first third is left out, because caches fill in it. */
export function trendOf(all: readonly Sample[]): Trend {
    const life = all.filter(({ pid }) => pid === all.at(-1)?.pid);
    const third = Math.floor(life.length / 3);
    const parts = [life.slice(third, 2 * third), life.slice(2 * third)];
    const pair = (value: (sample: Sample) => number) =>
        parts.map((part) => median(part.map(value))) as [number, number];
    const memory = pair((sample) => sample.memory);
    const handles = pair((sample) => sample.handles);
    const isFlat = memory[1] <= memory[0] * (1 + MEMORY_PART) + MEMORY_ROOM && handles[1] <= handles[0] + HANDLES_ROOM;
    return { memory, handles, samples: life.length, isFlat: life.length < MIN_SAMPLES || isFlat };
}

function median(values: number[]): number {
    const sorted = values.sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
