/** The page of all settings: generated from the schemas of the configurations, and the guides agree with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingPaths, SETTINGS, settingsPage } from '../../tooling/settings';

const ROOT = join(__dirname, '../..');

describe('offchain/settings.md', () => {
    it('is what npm run generate makes of the schemas', () => {
        expect(readFileSync(SETTINGS, 'utf8')).toBe(settingsPage());
    });

    it.each(['worker', 'gateway'] as const)('has every setting that docs/%s.md explains in its table', (name) => {
        const guide = readFileSync(join(ROOT, `docs/${name}.md`), 'utf8');
        const [, table] = /^\| setting .*\n\| -.*\n((?:\|.*\n)+)/m.exec(guide)!;
        const explained = Array.from(table.matchAll(/^\| `([^`]+)`/gm), ([, setting]) => setting);

        expect(explained.length).toBeGreaterThan(5);
        expect(explained.filter((setting) => !settingPaths(name).includes(setting))).toEqual([]);
    });

    it('gives type, unit, limits, default and meaning of a setting', () => {
        const page = settingsPage();

        for (const line of [
            '- `maxAnswer`: whole number (bytes), at least 1024, default `4194304` (4 MiB). Sealed frames of one answer.\n',
            '- `openAhead`: number, 0 to 0.9, default `0.25`. Part of the deposit below which the next job opens.\n',
            '- `node`: address, required. The node of this worker.\n',
            '- `threshold`: text of digits (nanoTON), default `100000000` (0.1 TON). Unclaimed vouchers of a job',
        ]) {
            expect(page).toContain(line);
        }
    });
});
