import { readFileSync } from 'node:fs';
import { CODES, codesFile } from '../../tooling/codes';

it('contracts/codes.json has the codes that this checkout builds', () => {
    expect(readFileSync(CODES, 'utf8')).toBe(codesFile());
});
