// What Stryker's report says: how many mutants of a module were killed, and which were not.

export const MIN_KILLED = 95; // percent of a module's mutants

const KILLED = ['Killed', 'Timeout'];
const ALIVE = ['Survived', 'NoCoverage'];

/** The source text of a mutant's place: lines and columns from 1 on, the end exclusive. */
function textAt(source, { start, end }) {
    const lines = source.split('\n').slice(start.line - 1, end.line);
    lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1);
    lines[0] = lines[0].slice(start.column - 1);
    return lines.join('\n');
}

/** Name of a mutant that does not change when lines move: file, line's text, what was replaced, and by what. */
export function mutantsOf({ files }) {
    return Object.entries(files).flatMap(([file, { source, mutants }]) =>
        mutants.map(({ status, mutatorName: mutator, replacement, location }) => ({
            ...{ status, file, mutator },
            line: source.split('\n')[location.start.line - 1].trim(),
            original: textAt(source, location).replace(/\s+/g, ' '),
            replacement: (replacement ?? '').replace(/\s+/g, ' '),
        })),
    );
}

/**
 * The stored report of a run without the survivors among the static mutants, which run while a file is loaded: no test
 * is known to reach them, so Stryker would never run them again, whichever tests are added.
 */
export function withoutStaticSurvivors({ files, ...rest }) {
    const isSure = ({ static: isStatic, status }) => !isStatic || !ALIVE.includes(status);
    return {
        ...rest,
        files: Object.fromEntries(
            Object.entries(files).map(([file, { mutants, ...others }]) => [
                file,
                { ...others, mutants: mutants.filter(isSure) },
            ]),
        ),
    };
}

const keyOf = ({ file, mutator, line, original, replacement }) =>
    JSON.stringify([file, mutator, line, original, replacement]);

/** Counts of a module, and its mutants that lived and are not in the list. */
export function scoreOf(mutants, listed) {
    const known = new Set(listed.map(keyOf));
    const killed = mutants.filter(({ status }) => KILLED.includes(status)).length;
    const alive = mutants.filter(({ status }) => ALIVE.includes(status));
    const percent = killed + alive.length === 0 ? 0 : (100 * killed) / (killed + alive.length);
    const unlisted = alive.filter((mutant) => !known.has(keyOf(mutant)));
    return {
        killed,
        survived: alive.length,
        percent,
        unlisted,
        passed: percent >= MIN_KILLED && unlisted.length === 0,
    };
}

/** Entries of the list whose line is no longer in its file, or that give no reason. */
export function staleEntries(listed, read) {
    return listed.filter(({ file, line, reason }) => {
        const lines = read(file)
            .split('\n')
            .map((each) => each.trim());
        return !lines.includes(line) || !reason;
    });
}
