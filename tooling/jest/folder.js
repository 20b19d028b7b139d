// The folder for temporary files of tests. Their stores wait for the disk at each commit: a third of the time of a test
// that has a store. What a test proves by killing a process holds as well in a folder that is kept in memory.
const { existsSync, readFileSync, statfsSync } = require('node:fs');
const { tmpdir } = require('node:os');

const MEMORY = '/dev/shm'; // on Linux
const ENOUGH = 2 ** 30; // bytes; a whole run has up to 0.2 GiB at once

/** `TMPDIR` if it is set, else a folder in memory where there is one of enough bytes that may hold programs. */
function temporaryFolder() {
    if (process.env.TMPDIR || !existsSync(MEMORY)) return tmpdir();
    const { bavail, bsize } = statfsSync(MEMORY);
    const mount = readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .find((line) => line.split(' ')[1] === MEMORY);
    return mount !== undefined && !/\bnoexec\b/.test(mount) && bavail * bsize >= ENOUGH ? MEMORY : tmpdir();
}

module.exports = { temporaryFolder };
