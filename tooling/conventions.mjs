// Conventions that no other tool checks: retired words as names, exported types of one name, circles of imports, long
// files, long lines of prose, sources that prose names and that do not exist. Prints each breach with its file and
// line; exits 1 if there is any.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { projectFiles, root } from './files.mjs';

export const MAX_LINES = 350; // of a source file; a longer one says why in a line that begins with REASON
export const MAX_WIDTH = 120; // characters of a line of prose
export const REASON = 'Longer than 350 lines because';

const GLOSSARY = 'docs/glossary.md';
const HISTORY = 'CHANGELOG.md'; // names files as they were

/** The words that the glossary retires, each `*` standing for any letters, with what is said in its place. */
export function retiredWords(glossary) {
    const list = glossary.split(/^## Retired words$/m)[1]?.split(/^## /m)[0] ?? '';
    const words = [];
    for (const [, names, replacement] of list.matchAll(/^- ((?:`[^`]+`(?:, )?)+): (.+)$/gm)) {
        for (const [, word] of names.matchAll(/`([^`]+)`/g)) {
            words.push({ word, pattern: new RegExp(`^${word.replaceAll('*', '[A-Za-z0-9]*')}$`), replacement });
        }
    }
    return words;
}

/** Names that a TypeScript file declares: variables, parameters, fields, functions, types, states; with their lines. */
export function namesOfTypeScript(source) {
    const names = [];
    const visit = (node) => {
        const { name } = node;
        const declares =
            ts.isVariableDeclaration(node) ||
            ts.isParameter(node) ||
            ts.isPropertySignature(node) ||
            ts.isPropertyDeclaration(node) ||
            ts.isMethodDeclaration(node) ||
            ts.isMethodSignature(node) ||
            ts.isGetAccessor(node) ||
            ts.isFunctionDeclaration(node) ||
            ts.isClassDeclaration(node) ||
            ts.isInterfaceDeclaration(node) ||
            ts.isTypeAliasDeclaration(node) ||
            ts.isEnumDeclaration(node) ||
            ts.isEnumMember(node) ||
            ts.isPropertyAssignment(node) ||
            ts.isBindingElement(node);
        const state = ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal) ? node.literal : undefined;
        if (state !== undefined) {
            names.push({
                name: state.text,
                line: source.getLineAndCharacterOfPosition(state.getStart(source)).line + 1,
            });
        }
        if (declares && name !== undefined && ts.isIdentifier(name)) {
            names.push({ name: name.text, line: source.getLineAndCharacterOfPosition(name.getStart(source)).line + 1 });
        }
        ts.forEachChild(node, visit);
    };
    visit(source);
    return names;
}

/** Names that a Tact file declares. */
export function namesOfTact(text) {
    const names = [];
    text.split('\n').forEach((line, i) => {
        const code = line.replace(/\/\/.*$/, '');
        const patterns = [
            /\b(?:let|const|fun|struct|contract|trait)\s+(\w+)/g,
            /\bmessage(?:\(\w+\))?\s+(\w+)/g,
            /(?<![.\w])(\w+)\s*:\s*(?:Int|Bool|Cell|Slice|Address|map<|[A-Z]\w+)/g,
        ];
        for (const pattern of patterns) {
            for (const [, name] of code.matchAll(pattern)) {
                names.push({ name, line: i + 1 });
            }
        }
    });
    return [...new Map(names.map((each) => [`${each.name} ${each.line}`, each])).values()];
}

/**
 * Files that import each other in a circle, each circle once, as the paths in it. `imports`: file -> imported files.
 */
export function circles(imports) {
    const found = [];
    const state = new Map();
    const path = [];
    const visit = (file) => {
        state.set(file, 'open');
        path.push(file);
        for (const next of imports.get(file) ?? []) {
            if (state.get(next) === 'open') {
                found.push([...path.slice(path.indexOf(next)), next]);
            } else if (!state.has(next) && imports.has(next)) {
                visit(next);
            }
        }
        path.pop();
        state.set(file, 'done');
    };
    for (const file of imports.keys()) {
        if (!state.has(file)) visit(file);
    }
    return found;
}

/**
 * Lines of Markdown longer than allowed: tables count, blocks of code do not, nor a line that one link or word fills.
 */
export function longProse(text) {
    const long = [];
    let fence;
    text.split('\n').forEach((line, i) => {
        const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
        if (mark !== undefined) {
            fence = fence === undefined ? mark : mark.startsWith(fence) ? undefined : fence;
        } else if (
            fence === undefined &&
            line.length > MAX_WIDTH &&
            line
                .trim()
                .replace(/^(?:[-*]|\d+\.) /, '')
                .includes(' ')
        ) {
            long.push({ line: i + 1, length: line.length });
        }
    });
    return long;
}

/** Comment lines longer than allowed. */
export function longComments(text) {
    const long = [];
    text.split('\n').forEach((line, i) => {
        if (line.length > MAX_WIDTH && /^\s*(?:\/\/|\/?\*)/.test(line)) {
            long.push({ line: i + 1, length: line.length });
        }
    });
    return long;
}

/** Sources of this repository that a Markdown text names by their path, each with its line. */
export function namedSources(text) {
    const path = /(?<![\w./@-])(?:[a-z]+\/)+[\w.-]+\.(?:ts|mjs|js|tact)\b/g;
    return text.split('\n').flatMap((line, i) => [...line.matchAll(path)].map(([file]) => ({ file, line: i + 1 })));
}

/** The repository's file that an import in `file` names, or undefined: a package or a generated file. */
function resolved(file, specifier, files) {
    const workspace = /^@cocoon-market\/([^/]+)(\/.*)?$/.exec(specifier);
    if (!specifier.startsWith('.') && workspace === null) return undefined;
    const path = workspace ? workspace[1] + (workspace[2] ?? '') : join(dirname(file), specifier);
    return [`${path}.ts`, `${path}/index.ts`, path].find((candidate) => files.has(candidate));
}

export function breaches(paths, read) {
    const found = [];
    const report = (file, line, message) => found.push(`${file}:${line} ${message}`);
    const files = new Set(paths);
    const folders = new Set(paths.map((path) => path.split('/')[0]));
    const words = retiredWords(read(GLOSSARY));
    if (words.length === 0) {
        report(GLOSSARY, 1, 'lists no retired words: the check reads them under "## Retired words"');
    }
    const types = new Map();
    const imports = new Map();
    for (const file of paths) {
        const isTest = file.startsWith('tests/');
        const isSource = /\.(ts|tact|mjs|js)$/.test(file);
        if (!isSource && !file.endsWith('.md')) continue;
        const text = read(file);
        if (file.endsWith('.md')) {
            longProse(text).forEach(({ line, length }) =>
                report(file, line, `is ${length} characters long, of ${MAX_WIDTH}`),
            );
            for (const { file: source, line } of file === HISTORY ? [] : namedSources(text)) {
                if (folders.has(source.split('/')[0]) && !files.has(source)) {
                    report(file, line, `names ${source}, which does not exist`);
                }
            }
            continue;
        }
        const lines = text.split('\n').length - 1;
        if (lines > MAX_LINES && !text.split('\n').slice(0, 12).join('\n').includes(REASON)) {
            report(file, 1, `has ${lines} lines, of ${MAX_LINES}: cut it, or write "${REASON} …" in its first lines`);
        }
        longComments(text).forEach(({ line, length }) =>
            report(file, line, `comment is ${length} characters long, of ${MAX_WIDTH}`),
        );
        let names = [];
        if (file.endsWith('.tact')) {
            names = namesOfTact(text);
        } else if (file.endsWith('.ts')) {
            const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
            names = namesOfTypeScript(source);
            const { importedFiles } = ts.preProcessFile(text, true, true);
            imports.set(
                file,
                importedFiles
                    .map(({ fileName }) => resolved(file, fileName, files))
                    .filter((each) => each !== undefined),
            );
            if (!isTest) {
                for (const node of source.statements) {
                    const isType =
                        ts.isInterfaceDeclaration(node) ||
                        ts.isTypeAliasDeclaration(node) ||
                        ts.isClassDeclaration(node) ||
                        ts.isEnumDeclaration(node);
                    const exported = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
                    if (isType && exported && node.name !== undefined) {
                        types.set(node.name.text, [...(types.get(node.name.text) ?? []), file]);
                    }
                }
            }
        }
        if (!isTest) {
            for (const { name, line } of names) {
                const retired = words.find(({ pattern }) => pattern.test(name));
                if (retired !== undefined) {
                    report(file, line, `"${name}" is retired: ${retired.replacement} (${GLOSSARY})`);
                }
            }
        }
    }
    for (const [name, where] of types) {
        const distinct = [...new Set(where)];
        if (distinct.length > 1)
            report(distinct[0], 1, `exports the type "${name}", as ${distinct.slice(1).join(', ')} does`);
    }
    for (const circle of circles(imports)) {
        report(circle[0], 1, `imports in a circle: ${circle.join(' -> ')}`);
    }
    return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
    const found = breaches(projectFiles(), (file) => readFileSync(join(root, file), 'utf8'));
    found.forEach((breach) => console.error(breach));
    process.exitCode = found.length === 0 ? 0 : 1;
}
