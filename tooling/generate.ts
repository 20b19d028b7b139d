/**
 * `npm run generate`: writes what is derived and committed: docs/schema.tlb, docs/attacks.md, docs/access.md,
 * docs/guarantees.md, contracts/codes.json, offchain/settings.md and tests/vectors/. Tests fail when one of them is not
 * what this writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { accessPage, PAGE as ACCESS } from './accessPage';
import { attacksPage, PAGE } from './attacksPage';
import { CODES, codesFile } from './codes';
import { guaranteesPage, PAGE as GUARANTEES } from './guaranteesPage';
import { schema, SCHEMA } from './schema';
import { SETTINGS, settingsPage } from './settings';
import { VECTORS, vectors } from './vectors';

const files: Record<string, string> = {
    ...{ [SCHEMA]: schema(), [PAGE]: attacksPage(), [ACCESS]: accessPage() },
    ...{ [GUARANTEES]: guaranteesPage(), [CODES]: codesFile(), [SETTINGS]: settingsPage() },
};
for (const [name, content] of Object.entries(vectors())) {
    files[join(VECTORS, `${name}.json`)] = `${JSON.stringify(content, null, 4)}\n`;
}
for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`generate: wrote ${relative(join(__dirname, '..'), file)}`);
}
