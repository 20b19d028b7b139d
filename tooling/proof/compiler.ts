/** Compiles a contract with a change in one of its sources, in this process and without writing a file. */
import {
    CompilerContext,
    computeGlobalVariablesUsages,
    createVirtualFileSystem,
    enableFeatures,
    getAstFactory,
    getContracts,
    getParser,
    getRawAST,
    Logger,
    LogLevel,
    openContext,
    printTypeRef,
    resolveDescriptors,
    stdLibFiles,
} from '@tact-lang/compiler';
import type { Expression, Module, Source, VirtualFileSystem } from '@tact-lang/compiler';
import { traverse } from '@tact-lang/compiler/dist/ast/iterators';
import { featureEnable } from '@tact-lang/compiler/dist/config/features';
import { resolveImports } from '@tact-lang/compiler/dist/imports/resolveImports';
import { setAstFactoryToStore } from '@tact-lang/compiler/dist/pipeline/ast-factory-store';
import { compileFunc, compileTact } from '@tact-lang/compiler/dist/pipeline/compile';
import { resolveAllocations } from '@tact-lang/compiler/dist/storage/resolveAllocation';
import { computeReceiversEffects } from '@tact-lang/compiler/dist/types/effects';
import { evalComptimeExpressions } from '@tact-lang/compiler/dist/types/evalComptimeExpressions';
import { resolveErrors } from '@tact-lang/compiler/dist/types/resolveErrors';
import { getExpType } from '@tact-lang/compiler/dist/types/resolveExpression';
import { resolveSignatures } from '@tact-lang/compiler/dist/types/resolveSignatures';
import { resolveStatements } from '@tact-lang/compiler/dist/types/resolveStatements';
import { Cell } from '@ton/core';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { ROOT } from './records';
import { Mutant, mutantsOf, withMutant } from './mutants';

type Project = Parameters<typeof enableFeatures>[2];

const logger = new Logger(LogLevel.NONE);
const stdlib = createVirtualFileSystem('@stdlib', stdLibFiles);
const factory = getAstFactory(); // one for all, so that no two nodes have one number
const parser = getParser(factory);

/** `same`: the compiler makes what it makes without the change. `refused`: it makes nothing. */
export type Compiled = { kind: 'changed'; code: Cell } | { kind: 'same' } | { kind: 'refused' };

type Declaration = ReturnType<typeof getRawAST>['functions' | 'constants' | 'types'][number];

/** The contract and every declaration whose name it comes to, over any number of others: the rest is no part of it. */
function usedBy(contract: string, all: Declaration[]): Declaration[] {
    const used = new Set(all.filter(({ kind, name }) => kind === 'contract' && name.text === contract));
    for (const declaration of used) {
        const names = new Set<string>();
        traverse(declaration, (node) => {
            if (node.kind === 'id' || node.kind === 'type_id') {
                names.add(node.text);
            }
            if (node.kind === 'contract' || node.kind === 'trait') {
                node.traits.forEach(({ text }) => names.add(text));
            }
        });
        all.filter(({ name }) => names.has(name.text)).forEach((each) => used.add(each));
    }
    return [...used];
}

const LISTENED = ['uncaughtException', 'unhandledRejection'] as const;

/** Each start of the FunC compiler listens for ever, and so would keep its memory. */
async function withoutTraces<T>(run: () => Promise<T>): Promise<T> {
    const listenersBefore = LISTENED.map((event) => process.listeners(event as 'exit'));
    try {
        return await run();
    } finally {
        LISTENED.forEach((event, index) => {
            for (const listener of process.listeners(event as 'exit')) {
                if (!listenersBefore[index].includes(listener)) {
                    process.removeListener(event, listener);
                }
            }
        });
    }
}

export class Compiler {
    readonly #project: Project;
    readonly #files = new Map<string, Buffer>();
    readonly #modules = new Map<string, Module>();
    #imported?: ReturnType<typeof resolveImports>;
    #original?: { source: string; code: Cell }; // of the unchanged contract; `source` is in FunC

    constructor(contract: string) {
        const { projects } = JSON.parse(readFileSync(join(ROOT, 'tact.config.json'), 'utf8')) as {
            projects: Project[];
        };
        const project = projects.find(({ name }) => name === contract);
        if (project === undefined) {
            throw new Error(`tact.config.json has no project ${contract}`);
        }
        this.#project = project;
    }

    /** The mutants of the contract and of what it uses of its imports. */
    mutants(): Mutant[] {
        const ctx = this.#checked(new Map());
        const { functions, constants, types } = getRawAST(ctx);
        const all = [...functions, ...constants, ...types].filter(({ loc }) => loc.origin === 'user');
        const nodes = usedBy(this.#project.name, all);
        const typeOf = (expression: Expression) => {
            try {
                return printTypeRef(getExpType(ctx, expression));
            } catch {
                return undefined; // the compiler computes it and keeps no type
            }
        };
        const files = [...new Set(nodes.map(({ loc }) => loc.file!))].sort();
        return files.flatMap((path) => {
            const own = nodes.filter(({ loc }) => loc.file === path);
            return mutantsOf(relative(ROOT, path), this.#read(path).toString(), own, typeOf);
        });
    }

    async compile(mutant?: Mutant): Promise<Compiled> {
        if (mutant !== undefined && this.#original === undefined) {
            await this.compile();
        }
        const changes = new Map<string, Buffer>();
        if (mutant !== undefined) {
            const path = join(ROOT, mutant.file);
            changes.set(path, Buffer.from(withMutant(this.#read(path).toString(), mutant)));
        }
        try {
            const ctx = featureEnable(this.#checked(changes), 'optimizedChildCode');
            const [contract] = getContracts(ctx);
            const build = {
                ...{ config: this.#project, logger, project: this.#system(changes), stdlib, ctx },
                ...{ compilerInfo: '', built: {}, errorMessages: [] },
            };
            const tact = await compileTact(build, contract);
            if (tact === undefined) {
                return { kind: 'refused' };
            }
            const { content } = tact.funcSource;
            if (mutant !== undefined && content === this.#original?.source) {
                return { kind: 'same' };
            }
            const bytes = await withoutTraces(() =>
                compileFunc(build, contract.name, tact.entrypointPath, tact.funcSource),
            );
            if (bytes === undefined) {
                return { kind: 'refused' };
            }
            const [code] = Cell.fromBoc(bytes);
            if (mutant === undefined) {
                this.#original = { source: content, code };
            }
            return mutant !== undefined && this.#original?.code.equals(code) === true
                ? { kind: 'same' }
                : { kind: 'changed', code };
        } catch {
            return { kind: 'refused' }; // the types do not fit
        }
    }

    /**
     * What the compiler's `precompile` does, without parsing again what did not change: that would be a third of the
     * time.
     */
    #checked(changes: Map<string, Buffer>): CompilerContext {
        const { path } = this.#project;
        this.#imported ??= resolveImports({ entrypoint: path, project: this.#system(changes), stdlib, parser });
        const { tact, func } = this.#imported;
        const modules = tact.map((source) => {
            const changed = changes.get(source.path);
            return changed === undefined ? this.#parsed(source) : parser.parse({ ...source, code: changed.toString() });
        });
        let ctx = enableFeatures(new CompilerContext(), logger, this.#project);
        setAstFactoryToStore(ctx, factory);
        ctx = openContext(ctx, tact, func, modules);
        ctx = resolveStatements(resolveDescriptors(ctx, factory));
        evalComptimeExpressions(ctx, factory);
        ctx = resolveSignatures(computeGlobalVariablesUsages(ctx), factory);
        ctx = resolveAllocations(resolveErrors(ctx, factory));
        computeReceiversEffects(ctx);
        return ctx;
    }

    #parsed(source: Source): Module {
        const module = this.#modules.get(source.path) ?? parser.parse(source);
        this.#modules.set(source.path, module);
        return module;
    }

    #read(path: string): Buffer {
        const content = this.#files.get(path) ?? readFileSync(path);
        this.#files.set(path, content);
        return content;
    }

    #system(changes: Map<string, Buffer>): VirtualFileSystem {
        return {
            root: `${ROOT}/`,
            resolve: (...path) => resolve(ROOT, ...path),
            exists: (path) => existsSync(path),
            readFile: (path) => changes.get(path) ?? this.#read(path),
            writeFile: () => {}, // what is made is returned
        };
    }
}
