/** Every public name of the market's entry has a docstring, and its example compiles and loads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const FOLDER = join(ROOT, 'wrappers/market');
const MODULES: Record<string, () => unknown> = {
    '@cocoon-market/wrappers': () => jest.requireActual('@cocoon-market/wrappers'),
    '@cocoon-market/wrappers/market': () => jest.requireActual('@cocoon-market/wrappers/market'),
    '@ton/core': () => jest.requireActual('@ton/core'),
    '@ton/ton': () => jest.requireActual('@ton/ton'),
};

jest.setTimeout(240_000);

/** The examples in the comments of a file, each with its place. */
function examplesIn(file: string): { name: string; code: string }[] {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    return [...text.matchAll(/@example\s+\*\s+```ts\n([^]*?)\*\s+```/g)].map((match) => ({
        name: `${file}:${text.slice(0, match.index).split('\n').length}`,
        code: match[1].replace(/^\s*\* ?/gm, ''),
    }));
}

const examples = readdirSync(FOLDER).flatMap(examplesIn);

describe('The public names of the market', () => {
    const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path));
    const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, ROOT);
    const virtual = new Map(examples.map(({ code }, i) => [join(ROOT, `tests/market/example${i}.ts`), code]));
    const host = ts.createCompilerHost(options);
    const [read, exists] = [host.readFile.bind(host), host.fileExists.bind(host)];
    host.readFile = (path) => virtual.get(path) ?? read(path);
    host.fileExists = (path) => virtual.has(path) || exists(path);
    const getSourceFile = host.getSourceFile.bind(host);
    host.getSourceFile = (path, target) => {
        const code = virtual.get(path);
        return code === undefined ? getSourceFile(path, target) : ts.createSourceFile(path, code, target, true);
    };
    const entry = join(FOLDER, 'index.ts');
    const program = ts.createProgram(
        [entry, ...virtual.keys()],
        { ...options, noEmit: true, incremental: false, tsBuildInfoFile: undefined, noUnusedLocals: false },
        host,
    );

    it('have a docstring with an example, those of types and methods too', () => {
        const checker = program.getTypeChecker();
        const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!);
        const resolved = exported.map((symbol) =>
            symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
        );
        const bare = resolved.filter(
            (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)) === '',
        );
        const plain = new Set(['MarketErrorCode', 'ReceiptField', 'TransactionName', 'workerUrl']); // said in full by their type
        const withoutExample = resolved.filter(
            (symbol) => !plain.has(symbol.name) && !symbol.getJsDocTags(checker).some(({ name }) => name === 'example'),
        );

        expect(bare.map(({ name }) => name)).toEqual([]);
        expect(withoutExample.map(({ name }) => name)).toEqual([]);
    });

    it('have examples that compile', () => {
        const files = [...virtual.keys()].map((path) => program.getSourceFile(path)!);
        const errors = files.flatMap((file, i) =>
            [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
                ({ messageText }) => `${examples[i].name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
            ),
        );

        expect(errors).toEqual([]);
    });

    it.each(examples.map(({ name, code }) => [name, code]))('have an example at %s that runs', (_, code) => {
        const { outputText } = ts.transpileModule(code, {
            compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, esModuleInterop: true },
        });
        const load = (name: string) => MODULES[name]();

        expect(() => compileFunction(outputText, ['require', 'exports'])(load, {}) as unknown).not.toThrow();
    });
});
