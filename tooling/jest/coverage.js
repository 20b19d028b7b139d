// Records which instructions of our contracts each test executes, where COVERAGE names a folder: one file for each
// test file. tooling/proof/records.ts reads them. The emulator then logs the place of each instruction, which takes
// several times as long.
const { mkdirSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');
const { Cell } = require('@ton/core');
const { Executor } = require('@ton/sandbox');

const ROOT = join(__dirname, '../..');
const CODES = join(ROOT, 'build');
const MARK = 'code cell hash: ';
const HASH = 64; // digits

/** Names of the contracts by the hashes of their codes, in the digits of the log. */
function contracts() {
    const named = readdirSync(CODES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return new Map(
        named.flatMap(({ name }) => {
            try {
                const [code] = Cell.fromBoc(readFileSync(join(CODES, name, `${name}_${name}.code.boc`)));
                return [[code.hash().toString('hex').toUpperCase(), name]];
            } catch {
                return []; // a folder of something else
            }
        }),
    );
}

let known;
let recording; // of the test file that runs

/** Places of one contract, numbered as they are first met, and those that were met since the last reset. */
class Places {
    numbers = new Map();
    met = new Set();

    meet(place) {
        let number = this.numbers.get(place);
        if (number === undefined) {
            number = this.numbers.size;
            this.numbers.set(place, number);
        }
        this.met.add(number);
    }

    take() {
        const bits = Buffer.alloc((this.numbers.size + 7) >> 3);
        for (const number of this.met) bits[number >> 3] |= 1 << (number & 7);
        this.met.clear();
        return bits.toString('base64');
    }
}

/** A run belongs to the contract whose first cell it begins in: a cell may be in several codes. */
function read(log) {
    if (recording === undefined || !log) return;
    let at = log.indexOf(MARK);
    if (at < 0) return;
    const contract = known.get(log.slice(at + MARK.length, at + MARK.length + HASH));
    if (contract === undefined) return;
    let places = recording.contracts.get(contract);
    if (places === undefined) {
        places = new Places();
        recording.contracts.set(contract, places);
    }
    for (; at >= 0; at = log.indexOf(MARK, at)) {
        const end = log.indexOf('\n', at);
        places.meet(log.slice(at + MARK.length, end < 0 ? undefined : end));
        at += MARK.length;
    }
}

/** Makes the emulator log places, and hides the log from whoever asked for none. Once for a process. */
function install() {
    known = contracts();
    const { getEmulatorPointer, runCommon, runGetMethod } = Executor.prototype;
    let asked;
    Executor.prototype.getEmulatorPointer = function (config, verbosity) {
        asked = verbosity;
        return getEmulatorPointer.call(this, config, Math.max(verbosity, 2));
    };
    Executor.prototype.runCommon = function (args) {
        const quiet = asked === 0;
        const run = runCommon.call(this, args);
        const logged = run.result.success ? run.result : run.result.vmResults;
        read(logged?.vmLog);
        if (quiet && logged !== undefined) logged.vmLog = '';
        return run;
    };
    Executor.prototype.runGetMethod = async function (args) {
        const quiet = args.verbosity === 'short';
        const run = await runGetMethod.call(this, quiet ? { ...args, verbosity: 'full_location' } : args);
        read(run.output.vm_log);
        if (quiet && 'vm_log' in run.output) run.output.vm_log = '';
        return run;
    };
}

function nameOf(test) {
    const parts = [];
    for (let each = test; each.name !== 'ROOT_DESCRIBE_BLOCK'; each = each.parent) parts.unshift(each.name);
    return parts.join(' ');
}

/** What all tests of a file share comes first: its `beforeAll`, and what it does while it is loaded. */
class Recorder {
    constructor(folder, testPath) {
        if (known === undefined) install();
        this.folder = folder;
        this.file = relative(ROOT, testPath);
        this.contracts = new Map();
        this.tests = [];
        this.shared = [];
        recording = this;
    }

    take() {
        return Object.fromEntries([...this.contracts].map(([name, places]) => [name, places.take()]));
    }

    handle({ name, test }) {
        if (name === 'test_start') this.shared.push(this.take());
        if (name === 'test_done') this.tests.push({ name: nameOf(test), ms: test.duration, hits: this.take() });
    }

    finish() {
        this.shared.push(this.take());
        recording = undefined;
        mkdirSync(this.folder, { recursive: true });
        const contracts = Object.fromEntries(
            [...this.contracts].map(([name, { numbers }]) => {
                return [name, [...numbers.keys()].map((place) => place.replace(' offset: ', ':').toLowerCase())];
            }),
        );
        const { file, shared, tests } = this;
        const path = join(this.folder, `${file.replaceAll(/[\\/]/g, '+')}.json`);
        writeFileSync(path, JSON.stringify({ file, contracts, shared, tests }));
    }
}

module.exports = { Recorder, nameOf };
