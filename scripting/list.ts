/** The scripts in groups, by whom they are for, with what each does. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type About, GROUPS, type Run } from './script';

const FOLDER = join(__dirname, '..', 'scripts');

/** The description of each script, in the order of their names. */
export function allScripts(): About[] {
    return readdirSync(FOLDER).map((file) => {
        // eslint-disable-next-line @typescript-eslint/no-require-imports -- Blueprint's configuration is synchronous
        return (require(join(FOLDER, file)) as { run: Run }).run.spec;
    });
}

/** Lines that name every script once. */
export function scriptLines(): string[] {
    const scripts = allScripts();
    const width = Math.max(...scripts.map(({ name }) => name.length)) + 2;
    return Object.entries(GROUPS).flatMap(([group, title]) => {
        const own = scripts.filter((script) => script.group === group);
        return [`${title}:`, ...own.map(({ name, about }) => `  ${name.padEnd(width)}${about}`)];
    });
}
