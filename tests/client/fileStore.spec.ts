/** A store in a folder has one program at a time, and no lock of a program that was killed. */
import { fileStore } from '@cocoon-market/client/file';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

describe('A store in a folder', () => {
    let folder: string;
    beforeEach(async () => {
        folder = await mkdtemp(join(tmpdir(), 'store-'));
    });
    afterEach(() => rm(folder, { recursive: true }));

    const leave = (pid: number, start: number) => writeFile(join(folder, `lock-${pid}-${start}-00`), '');
    const startedAt = () => Math.round(Date.now() / 1000 - process.uptime());

    it('is taken once, and again after it was given back', async () => {
        const release = await fileStore(folder).lock!();
        expect(await fileStore(folder).lock!()).toBeUndefined();

        await release!();
        expect(await fileStore(folder).lock!()).toBeDefined();
    });

    it('is taken from a program that was killed, by one of many that start at once', async () => {
        await leave(spawnSync(process.execPath, ['-e', '']).pid, startedAt());

        const locks = await Promise.all([1, 2, 3].map(() => fileStore(folder).lock!()));

        expect(locks.filter((lock) => lock !== undefined).length).toBeLessThanOrEqual(1);
        await Promise.all(locks.map(async (release) => release?.()));
        expect(await fileStore(folder).lock!()).toBeDefined();
        expect(await readdir(folder)).toHaveLength(1);
    });

    it('is taken from an earlier program that had the same process id, as in a container', async () => {
        await leave(process.pid, startedAt() - 60);
        expect(await fileStore(folder).lock!()).toBeDefined();
    });

    it('is not taken from another thread of this program, nor from a program that runs', async () => {
        await leave(process.pid, startedAt());
        expect(await fileStore(folder).lock!()).toBeUndefined();
        await rm(join(folder, `lock-${process.pid}-${startedAt()}-00`));
        await leave(process.ppid, 0);
        expect(await fileStore(folder).lock!()).toBeUndefined();
        expect(await readdir(folder)).toHaveLength(1);
    });

    it('keeps values under keys of any text', async () => {
        const store = fileStore(join(folder, 'deeper'));
        expect(await store.get('../../x')).toBeUndefined();
        await store.put('../../x', 'one');
        await store.put('../../x', 'two');
        expect(await store.get('../../x')).toBe('two');
    });
});
