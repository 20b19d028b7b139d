/** Profiles: what a market is launched with, and what its rules are changed to. `params/<name>.json`. */
import type { Rules, RuleWindow } from '@cocoon-market/wrappers';
import { catalogueHash, parseCatalogue, parseTon, ruleBounds, ruleWindows } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineCounter, type Node, parseDocument } from 'yaml';
import { parseDuration } from './flags';
import { ScriptError } from './scriptError';

/** The way to a value in a profile: names of fields, numbers of classes. */
export type ProfilePath = readonly (string | number)[];

/** A profile as read; times in seconds, amounts in nanoTON. */
export interface Profile {
    file: string;
    delay: number; // seconds that every change of rules waits
    rent: bigint; // paid ahead for the registry's account
    rules: Omit<Rules, 'insurance'>;
    gpuClasses: string[]; // names, by class
    catalogue: { file: string; hash: bigint; models: string[] };
    /** What is wrong at a place of the file, with its line. */
    refusal(path: ProfilePath, what: string, remedy?: string): ScriptError;
}

const FIELDS = ['about', 'delay', 'rent', 'rules', 'gpuClasses', 'catalogue'];
const { gpuClasses: maxClasses } = ruleBounds;

/** Reads `params/<name>.json`, or a file by its path. Refuses what is misspelt, missing or malformed, with its line. */
export function readProfile(name: string): Profile {
    return new Reader(name.endsWith('.json') ? name : join('params', `${name}.json`)).profile();
}

class Reader {
    private readonly text: string;
    private readonly json: unknown;

    constructor(private readonly file: string) {
        this.text = readFile(file).toString('utf8');
        try {
            this.json = JSON.parse(this.text);
        } catch (error) {
            throw new ScriptError(`${file} is not JSON: ${(error as Error).message}`);
        }
    }

    profile(): Profile {
        this.fields([], FIELDS);
        this.fields(['rules'], [...ruleWindows, 'baseStake']);
        const times = Object.fromEntries(
            ruleWindows.map((window) => [window, this.read(['rules', window], parseDuration)]),
        );
        const classes = this.at(['gpuClasses']);
        if (!Array.isArray(classes) || classes.length === 0 || classes.length > maxClasses) {
            throw this.refusal(['gpuClasses'], `gpuClasses is not a list of 1 to ${maxClasses} classes`);
        }
        classes.forEach((_, i) => this.fields(['gpuClasses', i], ['name', 'stake']));
        return {
            file: this.file,
            delay: this.read(['delay'], parseDuration),
            rent: this.read(['rent'], parseTon),
            rules: {
                ...(times as Record<RuleWindow, number>),
                baseStake: this.read(['rules', 'baseStake'], parseTon),
                rates: classes.map((_, i) => this.read(['gpuClasses', i, 'stake'], parseTon)),
            },
            gpuClasses: classes.map((_, i) => this.read(['gpuClasses', i, 'name'], (text) => text)),
            catalogue: readCatalogue(this.read(['catalogue'], (text) => text)),
            refusal: (path, what, remedy) => this.refusal(path, what, remedy),
        };
    }

    private at(path: ProfilePath): unknown {
        return path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], this.json);
    }

    private fields(path: ProfilePath, allowed: readonly string[]): void {
        const value = this.at(path);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
            throw this.refusal(path, `${nameOf(path)} has no fields`, `it takes ${allowed.join(', ')}`);
        }
        const unknown = Object.keys(value).find((name) => !allowed.includes(name));
        if (unknown !== undefined) {
            throw this.refusal([...path, unknown], `unknown field "${unknown}"`, `known are ${allowed.join(', ')}`);
        }
    }

    private read<T>(path: ProfilePath, parse: (text: string) => T): T {
        const [name, value] = [path[path.length - 1], this.at(path)];
        if (typeof value !== 'string') {
            throw this.refusal(path, `"${name}" is ${value === undefined ? 'missing' : 'not a text in quotes'}`);
        }
        try {
            return parse(value);
        } catch (error) {
            throw this.refusal(path, `${name}: ${(error as Error).message}`);
        }
    }

    private refusal(path: ProfilePath, what: string, remedy?: string): ScriptError {
        return new ScriptError(`${this.file}:${this.lineOf(path)}: ${what}`, remedy);
    }

    // JSON is YAML, and its parser knows the line of each value. A missing value has the line of its parent.
    private lineOf(path: ProfilePath): number {
        const lines = new LineCounter();
        const document = parseDocument(this.text, { lineCounter: lines });
        const node = document.getIn(path, true) as Node | undefined;
        return node?.range ? lines.linePos(node.range[0]).line : path.length === 0 ? 1 : this.lineOf(path.slice(0, -1));
    }
}

const nameOf = (path: ProfilePath) => (path.length === 0 ? 'the file' : path.join(' '));

/** A catalogue file with its hash. */
export function readCatalogue(file: string): Profile['catalogue'] {
    const bytes = readFile(file);
    try {
        return { file, hash: catalogueHash(bytes), models: parseCatalogue(bytes).map(({ id }) => id) };
    } catch (error) {
        throw new ScriptError(`${file}: ${(error as Error).message}`);
    }
}

/** A profile's rules with the insurance address. */
export function rulesOf({ rules }: Profile, insurance: Address): Rules {
    return { ...rules, insurance };
}

/** A file's bytes. Refuses one that cannot be read. */
export function readFile(file: string): Buffer {
    try {
        return readFileSync(file);
    } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const remedy = code === 'ENOENT' ? 'paths count from the root of this repository' : undefined;
        throw new ScriptError(`${file} cannot be read: ${message}`, remedy);
    }
}
