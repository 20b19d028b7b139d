/** Which GPUs this machine has, as the tools of their makers say. */
import { listingBounds } from '@cocoon-market/wrappers';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import profile from '../../params/mainnet.json';

const execute = promisify(execFile);

/** GPUs of one model. */
export interface Gpus {
    model: string;
    gpus: number;
    vram: number; // GB each
}

/** What the tools say: GPUs by model, the largest group first, and why a tool said nothing. */
export interface GpuReport {
    found: Gpus[];
    problems: string[];
}

const TOOL_MS = 10_000; // a driver that hangs must not hang the command
const MIB_PER_GB = 1024;

interface Tool {
    name: string;
    args: string[];
    read(output: string): { model: string; mebibytes: number }[];
}

const amdGpu = z.object({
    asic: z.object({ market_name: z.string() }),
    vram: z.object({ size: z.object({ value: z.number(), unit: z.string() }) }),
});
const amdGpus = z.union([z.array(z.unknown()), z.object({ gpu_data: z.array(z.unknown()) })]);

const TOOLS: Tool[] = [
    {
        name: 'nvidia-smi',
        args: ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'],
        read: (output) =>
            output
                .split('\n')
                .map((line) => /^(.+),\s*(\d+)\s*$/.exec(line.trim()))
                .flatMap((match) => (match === null ? [] : { model: match[1].trim(), mebibytes: Number(match[2]) })),
    },
    {
        name: 'amd-smi',
        args: ['static', '--asic', '--vram', '--json'],
        read: (output) => {
            const start = output.search(/[[{]/); // warnings may come first
            const read = amdGpus.parse(JSON.parse(output.slice(Math.max(start, 0))));
            return (Array.isArray(read) ? read : read.gpu_data).flatMap((each) => {
                const { data } = amdGpu.safeParse(each);
                return data === undefined
                    ? []
                    : { model: data.asic.market_name, mebibytes: mebibytesOf(data.vram.size) };
            });
        },
    },
];

function mebibytesOf({ value, unit }: { value: number; unit: string }): number {
    return /^G/i.test(unit) ? value * MIB_PER_GB : value;
}

/** Asks every tool that is installed. Never throws. */
export async function findGpus(): Promise<GpuReport> {
    const reports = await Promise.all(TOOLS.map(reportOf));
    return {
        found: reports.flatMap(({ found }) => found).sort((a, b) => b.gpus * b.vram - a.gpus * a.vram),
        problems: reports.flatMap(({ problems }) => problems),
    };
}

async function reportOf({ name, args, read }: Tool): Promise<GpuReport> {
    let output: string;
    try {
        ({ stdout: output } = await execute(name, args, { timeout: TOOL_MS }));
    } catch (error) {
        const { code, stdout = '', stderr = '', killed = false } = error as ExecFailure;
        if (code === 'ENOENT') {
            return { found: [], problems: [] };
        }
        const [message = `exit code ${code}`] = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '');
        const reason = killed ? `it did not answer within ${TOOL_MS / 1000} s` : message.trim();
        return { found: [], problems: [`${name} fails: ${reason}. Run it by hand, and reload or update the driver`] };
    }
    try {
        const found = grouped(read(output));
        return { found, problems: found.length === 0 ? [`${name} lists no GPU: run it by hand`] : [] };
    } catch {
        return { found: [], problems: [`${name} prints something else than GPUs: run "${name} ${args.join(' ')}"`] };
    }
}

interface ExecFailure {
    code?: string | number;
    stdout?: string;
    stderr?: string;
    killed?: boolean;
}

function grouped(all: { model: string; mebibytes: number }[]): Gpus[] {
    const groups = new Map<string, Gpus>();
    for (const { model: name, mebibytes } of all) {
        const model = asciiOf(name);
        const vram = Math.max(1, Math.round(mebibytes / MIB_PER_GB));
        const key = `${model} ${vram}`;
        groups.set(key, { model, vram, gpus: (groups.get(key)?.gpus ?? 0) + 1 });
    }
    return [...groups.values()];
}

/** A name as a listing takes it. */
function asciiOf(name: string): string {
    const plain = name.replace(/[^\x20-\x7e]/g, '').trim();
    return plain.slice(0, listingBounds.maxText.model).trim();
}

/** The names of GPU classes in the profiles of this release, by class. */
export const gpuClassNames: readonly string[] = profile.gpuClasses.map(({ name }) => name);

/**
 * The GPU class of a GPU by the names of the profiles of this release. A market may number its classes otherwise:
 * the owner checks the share that follows.
 */
export function gpuClassOf({ model, vram }: Pick<Gpus, 'model' | 'vram'>): number {
    const rules: [boolean, number][] = [
        [vram >= 140 || /\b(H200|B200|B300|GB200|GB300|MI3\d\dX?)\b/i.test(model), 4],
        [/\b(H100|H800|GH200)\b/i.test(model), 3],
        [vram >= 70, 2],
        [vram >= 40, 1],
    ];
    return rules.find(([applies]) => applies)?.[1] ?? 0;
}
