/** The files that a new worker gets. Each is written once and as a whole; one that exists is read, never replaced. */
import { formatTon, type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { accessSync, constants, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Remedied } from '../process/errors';
import { address } from '../process/fields';
import { writeSecret } from '../process/keyFiles';
import type { Gpus } from './gpus';

/** Where the files of a worker are. */
export class WorkerFiles {
    readonly keys: string;
    readonly config: string;
    readonly store: string;
    readonly manifest: string;
    readonly progress: string;

    constructor(readonly folder: string) {
        this.keys = join(folder, 'worker.key.json');
        this.config = join(folder, 'worker.json');
        this.store = join(folder, 'worker.sqlite');
        this.manifest = join(folder, 'fleet.yaml');
        this.progress = join(folder, 'worker.init.json');
    }
}

/** Throws unless files can be written in a folder, which need not exist yet. Writes nothing. */
export function assertUsableFolder(folder: string): void {
    const remedy = 'name another folder with --dir';
    if (!existsSync(folder) && folder !== dirname(folder)) {
        assertUsableFolder(dirname(folder));
        return;
    }
    if (!statSync(folder).isDirectory()) {
        throw new Remedied(`${folder} is no folder`, { remedy });
    }
    try {
        accessSync(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
        throw new Remedied(`This user may not write in ${folder}`, { remedy, cause: error });
    }
}

/** Writes a file of mode 0600 as a whole. A file of an interrupted run is replaced, another one only if `replace`. */
export function writeWhole(path: string, text: string, { replace = false } = {}): void {
    const fresh = `${path}.new`;
    rmSync(fresh, { force: true });
    if (!replace && existsSync(path)) {
        throw new Remedied(`${path} exists already, and nothing is written over it`);
    }
    writeSecret(fresh, text.trimEnd());
    renameSync(fresh, path);
}

const progressFile = z.object({
    owner: address,
    stake: z.string().regex(/^\d+$/).transform(BigInt),
    fund: z.string().regex(/^\d+$/).transform(BigInt),
    sent: z.object({ parts: z.array(z.string()), until: z.number() }).optional(), // on its way; until: unix seconds
});

/** What a run has to know of an earlier one that did not come to its end. */
export type Progress = z.output<typeof progressFile>;

export function readProgress({ progress }: WorkerFiles): Progress | undefined {
    if (!existsSync(progress)) {
        return undefined;
    }
    try {
        return progressFile.parse(JSON.parse(readFileSync(progress, 'utf8')));
    } catch (error) {
        throw new Remedied(`${progress} is damaged: remove it, and name --owner again`, { cause: error });
    }
}

export function writeProgress({ progress }: WorkerFiles, { owner, stake, fund, sent }: Progress): void {
    const text = JSON.stringify({ owner: owner.toRawString(), stake: `${stake}`, fund: `${fund}`, sent });
    writeWhole(progress, text, { replace: true });
}

export function endProgress({ progress }: WorkerFiles): void {
    rmSync(progress, { force: true });
}

/** A node as a new manifest describes it. */
export interface NewNode {
    name: string;
    site: string;
    hardware: Gpus & { gpuClass: number };
    region: string;
    uptime: string; // percent
    endpoint: string;
    receiptKey: Buffer;
    encryptionKey: Buffer;
    offers: { id: string; rates: Rates; unlisted: boolean }[];
}

/** The manifest of a fleet of one node. */
export function manifestText(node: NewNode): string {
    const { name, site, hardware, region, uptime, endpoint, offers } = node;
    const text = (value: string) => (/^[A-Za-z][\w./-]*$/.test(value) ? value : JSON.stringify(value));
    const prices = ({ id, rates, unlisted }: NewNode['offers'][number]) => {
        const each = tokenKinds.map((kind) => `${kind}: ${formatTon(rates[kind])}`);
        return `  ${text(id)}: { ${[...each, ...(unlisted ? ['unlisted: true'] : [])].join(', ')} }`;
    };
    return `# The nodes of this provider and what they charge, in TON per million tokens. Each price stands here only.
# "cocoon worker prices" changes a price here, on chain and in the running worker. docs/worker.md explains the rest.
offers:
${offers.map(prices).join('\n')}

# class: the GPU class of the market, which sets the stake that each GPU requires.
hardware:
  gpus: { class: ${hardware.gpuClass}, gpus: ${hardware.gpus}, vram: ${hardware.vram}, model: ${text(hardware.model)} }

sites:
  ${text(site)}:
    region: ${text(region)}
    uptime: ${uptime}
    hardware: gpus
    offers: [${offers.map(({ id }) => text(id)).join(', ')}]
    nodes:
      ${text(name)}:
        endpoint: ${text(endpoint)}
        receiptKey: ${node.receiptKey.toString('hex')}
        encryptionKey: ${node.encryptionKey.toString('hex')}
`;
}
