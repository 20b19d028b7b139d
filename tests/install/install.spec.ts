/** The short form of `npm run test:install`: the packed files without npm's installation. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from '../../demo/processes';
import { firstAnswer, prepareMarket } from './journey';
import { pack, unpack } from './package';

jest.setTimeout(180_000);

/** The commands of "From nothing to serving" in docs/worker.md, without their flags. */
function guideSteps(): string[] {
    const page = readFileSync(join(__dirname, '../../docs/worker.md'), 'utf8');
    const [, section] = /^## From nothing to serving\n([^]*?)^## /m.exec(page)!;
    const commands = Array.from(section.matchAll(/^ +(cocoon .*)$/gm), ([, command]) => command);
    const names = commands.map((command) => (command === 'cocoon --version' ? command : command.replace(/ --.*$/, '')));
    return [...new Set(names)]; // a step has a line of its own for a rehearsal
}

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
            const guide = guideSteps();
            expect(guide).toHaveLength(4);
            expect(steps).toEqual([...guide, 'cocoon gateway up', 'first answer', 'paid by a voucher']);
        } finally {
            await market.stage.close();
        }
    });
});
