/** The scripts in groups, by who runs them, with what each does. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', 'scripts');
const GROUPS: readonly (readonly [title: string, belongs: RegExp])[] = [
    [
        'for the governor',
        /From the governor|The sender becomes the governor|run[s]? transferGovernor|after transferGovernor/,
    ],
    ['for providers', /From the provider's owner|nodes on chain|what applyFleet/],
    ['for clients', /From the client\b/],
    ['for anyone', /From anyone/],
    ['to look', /./],
];

/** A script's name and its own first sentence of help. */
export function scriptsWithAbout(): { name: string; about: string }[] {
    return readdirSync(FOLDER)
        .filter((file) => file.endsWith('.ts'))
        .map((file) => {
            const [, , about] = /about:\s*(['"])((?:\\.|(?!\1)[\s\S])*)\1/.exec(
                readFileSync(join(FOLDER, file), 'utf8'),
            )!;
            return { name: file.replace('.ts', ''), about: about.replace(/\\'/g, "'") };
        });
}

/** Lines that name every script once. */
export function scriptLines(): string[] {
    const scripts = scriptsWithAbout();
    const width = Math.max(...scripts.map(({ name }) => name.length)) + 2;
    const groupOf = (about: string) => GROUPS.find(([, belongs]) => belongs.test(about))![0];
    return GROUPS.flatMap(([title]) => {
        const own = scripts.filter(({ about }) => groupOf(about) === title);
        return [`${title}:`, ...own.map(({ name, about }) => `  ${name.padEnd(width)}${about}`)];
    });
}
