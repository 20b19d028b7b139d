/** The flags of a development command: exit code 2 and the usage where they are wrong, the usage alone for `--help`. */

/**
 * What `read` makes of the flags; it throws what is wrong with them. Undefined if there is nothing to run: they are
 * wrong, or `read` returned undefined because only the usage is asked for. `name`: of the command, with which errors
 * begin.
 */
export function readFlags<Flags>(name: string, usage: string, read: () => Flags | undefined): Flags | undefined {
    let flags: Flags | undefined;
    try {
        flags = read();
    } catch (error) {
        console.error(`${name}: ${(error as Error).message}\n${usage}`);
        process.exitCode = 2;
        return undefined;
    }
    if (flags === undefined) {
        console.log(usage);
    }
    return flags;
}
