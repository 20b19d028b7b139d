/** The short form of `npm run test:install`: the packed files without npm's installation. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from '../../demo/processes';
import { firstAnswer, prepareMarket } from './journey';
import { pack, unpack } from './package';

jest.setTimeout(180_000);

describe('The packed command', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-install-'));
    afterAll(() => {
        endAll();
        rmSync(folder, { recursive: true, force: true });
    });

    it('goes from nothing to a first paid answer in an empty folder', async () => {
        const market = await prepareMarket(join(folder, 'market'));
        const steps: string[] = [];
        try {
            const bin = unpack(pack(folder), join(folder, 'empty'));
            const answer = await firstAnswer(bin, market, join(folder, 'node'), (step) => steps.push(step));

            expect(answer).toContain('voucher');
            expect(steps.slice(1)).toEqual([
                'worker init',
                'worker doctor',
                'worker run',
                'gateway up',
                'first answer',
                'paid by a voucher',
            ]);
        } finally {
            await market.stage.close();
        }
    });
});
