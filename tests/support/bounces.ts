/** Which messages of a contract its sources take back. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const CONTRACTS = join(__dirname, '../../contracts');

/** The text of a contract, and of the files in its folder if it has one. */
function sourcesOf(contract: string): string[] {
    const main = join(CONTRACTS, contract.toLowerCase());
    const parts = existsSync(main) ? readdirSync(main).map((name) => join(main, name)) : [];
    return [`${main}.tact`, ...parts].map((path) => readFileSync(path, 'utf8'));
}

/** The names of the messages for whose bounce a contract has a receiver. */
export function bouncesOf(contract: string): string[] {
    return sourcesOf(contract).flatMap((text) =>
        Array.from(text.matchAll(/bounced\(\w+: (?:bounced<)?(\w+)>?\)/g), ([, name]) => name),
    );
}
