/**
 * The folder of a playground: what was set up in it, the seeds of its wallets, and a lock, because two playgrounds
 * would overwrite each other's chain.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { lockFile } from '../offchain/store/keyLock';

const FILE = 'playground.json';
const LOCK = 'playground.lock';

/** What a playground is, once it is set up; addresses in their raw form, paths relative to the folder. */
const setting = z.object({
    registry: z.string(),
    provider: z.string(),
    node: z.string(),
    client: z.string(), // wallet of the app developer
    escrow: z.string(),
    workerFolder: z.string(),
    workerKeys: z.string(),
    workerPort: z.number(),
    gatewayFolder: z.string(),
    gatewayKey: z.string(),
});
export type Setting = z.output<typeof setting>;

const record = z.object({
    version: z.literal(1),
    seeds: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)), // of wallets and of the committee, by name
    setting: setting.optional(), // missing while the market is set up
});
type PlaygroundFile = z.output<typeof record>;

/** The folder of one playground, locked for this process. */
export class Place {
    private constructor(
        readonly folder: string,
        private readonly record: PlaygroundFile,
        private readonly lock: { close(): unknown },
    ) {}

    /**
     * Opens a folder that is empty, does not exist, or holds a playground. One whose set-up was cut off starts anew.
     *
     * @throws Error if the folder holds anything else, or another process uses it
     */
    static open(path: string): Place {
        const folder = resolve(path);
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const file = join(folder, FILE);
        const files = readdirSync(folder).filter((name) => !name.startsWith(LOCK));
        if (files.length > 0 && !existsSync(file)) {
            throw new Error(`${folder} holds something else than a playground: name an empty folder, or a new one`);
        }
        const busy = `Another playground uses ${folder}: end it first, or name another folder`;
        const lock = lockFile(join(folder, LOCK), busy);
        try {
            const stored = files.length > 0 ? readRecord(file) : undefined;
            if (stored?.setting === undefined) {
                files.forEach((name) => rmSync(join(folder, name), { recursive: true }));
            }
            const place = new Place(folder, stored?.setting ? stored : { version: 1, seeds: {} }, lock);
            place.write();
            return place;
        } catch (error) {
            lock.close();
            throw error;
        }
    }

    get setting(): Setting | undefined {
        return this.record.setting;
    }

    /** The chain's state. */
    get chainFile(): string {
        return join(this.folder, 'chain.json');
    }

    /** The seed of a wallet, made when it is first asked for. */
    seedOf(name: string): Buffer {
        const stored = this.record.seeds[name] ?? randomBytes(32).toString('hex');
        this.record.seeds[name] = stored;
        return Buffer.from(stored, 'hex');
    }

    /** Marks the set-up as complete. */
    complete(setting: Setting): void {
        this.record.setting = setting;
        this.write();
    }

    close(): void {
        this.lock.close();
    }

    // Renamed into place, so that a crash leaves the old file or the new one.
    private write(): void {
        const file = join(this.folder, FILE);
        writeFileSync(`${file}.new`, `${JSON.stringify(this.record, null, 4)}\n`, { mode: 0o600 });
        renameSync(`${file}.new`, file);
    }
}

function readRecord(file: string): PlaygroundFile {
    try {
        return record.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch (error) {
        throw new Error(`${file} cannot be read: name another folder, or remove it`, { cause: error });
    }
}
