/**
 * `npm run prove`: compares translation.ts with the contracts on random inputs. Then it proves the properties in
 * properties.ts of that arithmetic for all inputs, with the solver Z3, and refutes them for each mutant. Exit code 1 if
 * the contracts compute something else, a property does not hold, a mutant keeps one, or the solver does not know; 2
 * for wrong flags.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';
import { init } from 'z3-solver';

const require = createRequire(import.meta.url);
require('../../tooling/typescript.js');
const { mutated, properties } = require('./properties.ts');
const { expressions } = require('./translation.ts');

const USAGE = `npm run prove -- [--runs N] [--seed S] [--json]
  --runs N  random inputs of each message, on which contracts and translation are compared; 1,000 unless given
  --seed S  draws them; random unless given
  --json    one JSON object on standard output; progress goes to standard error`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIMEOUT = 120_000; // ms for each question

const IMPOSSIBLE = 'unsat'; // the solver's word

let options;
try {
    options = optionsOf();
} catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
}
if (options?.help) {
    console.log(USAGE);
} else if (options !== undefined) {
    console.error(`seed ${options.seed}, ${options.runs} inputs of each message`);
    if (isAsTranslated(options)) {
        await run(options.json);
    } else {
        console.error('The contracts do not compute what translation.ts says, so nothing is proved of them');
        process.exitCode = 1;
    }
}

function optionsOf() {
    const { values } = parseArgs({
        options: {
            runs: { type: 'string', default: '1000' },
            seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    const whole = (name, min) => {
        if (!/^\d+$/.test(values[name]) || Number(values[name]) < min) {
            throw new Error(`--${name} is a whole number from ${min} on, not "${values[name]}"`);
        }
        return Number(values[name]);
    };
    return { ...values, runs: whole('runs', 1), seed: whole('seed', 0) };
}

/** Whether the contracts compute what the translation says, on random inputs. */
function isAsTranslated({ runs, seed }) {
    const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
    const env = { ...process.env, PROVE_RUNS: `${runs}`, PROVE_SEED: `${seed}` };
    const args = [jest, 'tests/smt', '--testTimeout', '600000'];
    const { status, error } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 2, 2] });
    if (error !== undefined) {
        throw error;
    }
    return status === 0;
}

async function run(json) {
    const { Context, em } = await init();
    try {
        const z3 = Context('prove');
        const results = [];
        for (const property of properties) {
            const proved = await ask(z3, property, expressions);
            const mutants = [];
            for (const mutant of property.mutants) {
                mutants.push({ says: mutant.says, ...(await ask(z3, property, mutated(mutant))) });
            }
            const good =
                proved.answer === IMPOSSIBLE && proved.possible && mutants.every(({ answer }) => answer === 'sat');
            results.push({ about: property.about, says: property.says, good, ...proved, mutants });
            if (!json) {
                print(results.at(-1));
            }
        }
        report(results, json);
    } finally {
        em.PThread.terminateAllThreads();
    }
}

/** Whether inputs exist that break the property: IMPOSSIBLE is the proof that none do. */
async function ask(z3, property, expressions) {
    const o = arithmeticOf(z3);
    const inputs = Object.entries(property.inputs).map(([name, range]) => [name, z3.Int.const(name), range]);
    const values = Object.fromEntries(inputs.map(([name, term]) => [name, term]));
    const solver = new z3.Solver();
    solver.set('timeout', TIMEOUT);
    for (const [, term, [min, max]] of inputs) {
        solver.add(term.ge(o.of(min)), term.le(o.of(max)));
    }
    const { assumed, holds } = property.of(o, values, expressions);
    const started = performance.now();
    solver.add(assumed);
    const possible = (await solver.check()) === 'sat'; // or the property would hold of nothing
    solver.add(z3.Not(holds));
    const answer = await solver.check();
    const seconds = (performance.now() - started) / 1000;
    if (answer !== 'sat') {
        return { answer, seconds, possible };
    }
    const model = solver.model();
    const example = Object.fromEntries(inputs.map(([name, term]) => [name, model.eval(term, true).toString()]));
    return { answer, seconds, possible, example };
}

/** Terms of whole numbers, without bounds: where a bound matters, a property says so. */
function arithmeticOf({ Int, If, And, Or, Not }) {
    const of = (value) => Int.val(value);
    return {
        of,
        add: (a, b) => a.add(b),
        sub: (a, b) => a.sub(b),
        times: (a, factor) => a.mul(of(factor)),
        product: (a, b) => a.mul(b),
        over: (a, divisor) => a.div(of(divisor)), // Z3 rounds down for a divisor above 0, as Tact does
        min: (a, b) => If(a.le(b), a, b),
        max: (a, b) => If(a.ge(b), a, b),
        choose: (condition, yes, no) => If(condition, yes, no),
        equal: (a, b) => a.eq(b),
        above: (a, b) => a.gt(b),
        atLeast: (a, b) => a.ge(b),
        all: (...conditions) => And(...conditions),
        any: (...conditions) => Or(...conditions),
        not: (condition) => Not(condition),
    };
}

function print({ about, says, good, answer, possible, seconds, example, mutants }) {
    const word = { [IMPOSSIBLE]: 'proved', sat: 'REFUTED', unknown: 'NOT DECIDED' };
    console.log(`${good ? '✓' : '✗'} ${about}: ${says}: ${word[answer]} (${seconds.toFixed(1)} s)`);
    if (!possible) {
        console.log('    of nothing: no inputs satisfy what it assumes');
    }
    if (example !== undefined) {
        console.log(`    by ${JSON.stringify(example)}`);
    }
    for (const mutant of mutants) {
        console.log(`    ${mutant.answer === 'sat' ? 'refuted' : 'NOT REFUTED'} where ${mutant.says}`);
    }
}

function report(results, json) {
    const bad = results.filter(({ good }) => !good).length;
    const mutants = results.flatMap((result) => result.mutants);
    const refuted = mutants.filter(({ answer }) => answer === 'sat').length;
    const proved = results.filter(({ answer }) => answer === IMPOSSIBLE).length;
    if (json) {
        const counts = { properties: results.length, proved, mutants: mutants.length, refuted };
        console.log(JSON.stringify({ ...counts, list: results }, undefined, 2));
    } else {
        console.log(
            `${proved} of ${results.length} properties proved, ${refuted} of ${mutants.length} mutants refuted`,
        );
    }
    process.exitCode = bad === 0 ? 0 : 1;
}
