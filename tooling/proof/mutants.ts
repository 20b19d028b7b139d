/** The mutants of a Tact source: one small change each, of the kinds that `OPERATORS` names. */
import type { AstNode, Expression, OpBinary, Statement, StructFieldInitializer } from '@tact-lang/compiler';
import { traverse } from '@tact-lang/compiler/dist/ast/iterators';

export const OPERATORS = {
    comparison: 'a comparison is another one, `&&` is `||`, a boolean is the other one',
    arithmetic: 'an operation is another one, `min` is `max`',
    constant: 'a number is one more or one less',
    mode: 'a flag of a send or of a reserve is left out',
    guard: 'a check that throws is removed',
    argument: 'two neighbours among the arguments, of one type, are swapped',
    statement: 'an assignment, a call or a return is removed',
    width: 'a field or a number in a cell is wider',
} as const;
export type Operator = keyof typeof OPERATORS;

export interface Mutant {
    /** Names the change by the file, the text of its line and what is changed: the same when other lines move. */
    id: string;
    file: string;
    line: number;
    operator: Operator;
    /** Where in the source, in characters, and what stands there instead. */
    start: number;
    end: number;
    to: string;
}

const COMPARISONS: Record<string, string[]> = {
    '<': ['<=', '>='],
    '<=': ['<', '>'],
    '>': ['>=', '<='],
    '>=': ['>', '<'],
    '==': ['!='],
    '!=': ['=='],
    '&&': ['||'],
    '||': ['&&'],
};
const ARITHMETIC: Record<string, string> = {
    ...{ '+': '-', '-': '+', '*': '/', '/': '*', '%': '*', '<<': '>>', '>>': '<<', '&': '|', '|': '&' },
    ...{ '+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=' },
};
const FUNCTIONS: Record<string, [Operator, string]> = {
    min: ['arithmetic', 'max'],
    max: ['arithmetic', 'min'],
    both: ['comparison', 'either'],
    either: ['comparison', 'both'],
};
const FLAG = new RegExp(
    '^(Send(RemainingBalance|RemainingValue|IgnoreErrors|PayFwdFeesSeparately|PayGasSeparately|DestroyIfZero' +
        '|BounceIfActionFail|DefaultMode)|Reserve(Exact|AllExcept|AtMost|AddOriginalBalance|InvertSign' +
        '|BounceIfActionFail))$',
);
const CHECK = /^(require|throw|nativeThrow)/;
/** Statements for the compiler, which change no behaviour. */
const LAYOUT = new Set(['splitCode', 'leaveOutPrelude']);
const CELL_METHOD = /^(load|preload|store|skip)(Uint|Int|Bits|Zeroes)$/;
const WIDTHS = [8, 16, 32, 64, 128, 256];
/** From here on a number is tried with one more only: it is an opcode or a mask. */
const LARGE = 2n ** 31n;

interface Change {
    operator: Operator;
    start: number;
    end: number;
    to: string;
}

/**
 * All mutants of a file. `nodes` are its declarations; `typeOf` names the type of an expression, by which arguments are
 * swapped only where they have one type.
 */
export function mutantsOf(
    file: string,
    text: string,
    nodes: readonly AstNode[],
    typeOf: (expression: Expression) => string | undefined,
): Mutant[] {
    const flagged = new Set<AstNode>(); // flags that stand beside others
    const widths = new Set<AstNode>(); // numbers that are bits of a load or store
    const changes: Change[] = [];
    nodes.forEach((root) => traverse(root, (node) => note(node, flagged, widths)));
    nodes.forEach((root) => traverse(root, (node) => changes.push(...changesOf(node, text, flagged, widths, typeOf))));
    return withIds(file, text, changes);
}

/** The source with one mutant in it. */
export function withMutant(text: string, { start, end, to }: Mutant): string {
    return text.slice(0, start) + to + text.slice(end);
}

function withIds(file: string, text: string, changes: Change[]): Mutant[] {
    const repeats = new Map<string, number>();
    const unique = new Map(changes.map((change) => [`${change.start} ${change.end} ${change.to}`, change]));
    return [...unique.values()]
        .sort((a, b) => a.start - b.start || a.end - b.end)
        .map((change) => {
            const { operator, start, end, to } = change;
            const first = text.lastIndexOf('\n', start - 1) + 1;
            const last = text.indexOf('\n', start);
            const source = text.slice(first, last < 0 ? undefined : last).trim();
            const short = (part: string) => part.replace(/\s+/g, ' ').trim();
            const key = `${file} | ${source} | ${operator}: ${short(text.slice(start, end))} -> ${short(to)}`;
            const count = (repeats.get(key) ?? 0) + 1;
            repeats.set(key, count);
            return {
                ...{ file, operator, start, end, to },
                id: count === 1 ? key : `${key} | ${count}`,
                line: text.slice(0, start).split('\n').length,
            };
        });
}

/** Notes what the parent of a node decides about it. */
function note(node: AstNode, flagged: Set<AstNode>, widths: Set<AstNode>): void {
    if (node.kind === 'op_binary' && node.op === '|') {
        [node.left, node.right].filter(isFlag).forEach((flag) => flagged.add(flag));
    }
    if (node.kind === 'method_call' && CELL_METHOD.test(node.method.text)) {
        const bits = node.args.at(-1);
        if (bits !== undefined) {
            widths.add(bits);
        }
    }
}

const isFlag = (node: AstNode) => node.kind === 'id' && FLAG.test(node.text);
const isFlags = (node: AstNode): boolean =>
    isFlag(node) || (node.kind === 'op_binary' && node.op === '|' && isFlags(node.left) && isFlags(node.right));

const startOf = (node: { loc: { interval: { startIdx: number } } }) => node.loc.interval.startIdx;
const endOf = (node: { loc: { interval: { endIdx: number } } }) => node.loc.interval.endIdx;

function changesOf(
    node: AstNode,
    text: string,
    flagged: Set<AstNode>,
    widths: Set<AstNode>,
    typeOf: (expression: Expression) => string | undefined,
): Change[] {
    switch (node.kind) {
        case 'op_binary':
            return binary(node, text);
        case 'statement_augmentedassign': {
            const at = text.indexOf(node.op, endOf(node.path));
            const other = ARITHMETIC[node.op];
            const removed = removal('statement', node, text);
            return other === undefined ? [removed] : [{ ...span('arithmetic', at, node.op), to: other }, removed];
        }
        case 'statement_assign':
            return [removal('statement', node, text)];
        case 'statement_return':
            return node.expression === undefined ? [removal('statement', node, text)] : [];
        case 'statement_expression':
            return removedCall(node, text);
        case 'number':
            return numbers(widths.has(node) ? 'width' : 'constant', node.value, startOf(node), endOf(node));
        case 'boolean':
            return [{ operator: 'comparison', start: startOf(node), end: endOf(node), to: `${!node.value}` }];
        case 'id':
            return isFlag(node) && !flagged.has(node)
                ? [{ operator: 'mode', start: startOf(node), end: endOf(node), to: '0' }]
                : [];
        case 'static_call': {
            const other = FUNCTIONS[node.function.text];
            if (other !== undefined) {
                return [{ ...span(other[0], startOf(node.function), node.function.text), to: other[1] }];
            }
            return CHECK.test(node.function.text) ? [] : swapped(node.args, text, typeOf);
        }
        case 'method_call':
            return CELL_METHOD.test(node.method.text) ? [] : swapped(node.args, text, typeOf);
        case 'struct_instance':
            return swappedFields(node.args, text, typeOf);
        case 'field_decl':
            return node.as === undefined ? [] : widened(node.as.text, startOf(node.as));
        case 'map_type':
            return [node.keyStorageType, node.valueStorageType].flatMap((id) => {
                return id === undefined ? [] : widened(id.text, startOf(id));
            });
        case 'asm_function_def':
            return assembly(text.slice(startOf(node), endOf(node)), startOf(node));
        default:
            return [];
    }
}

const span = (operator: Operator, start: number, from: string) => ({ operator, start, end: start + from.length });

function binary(node: OpBinary, text: string): Change[] {
    const at = text.indexOf(node.op, endOf(node.left));
    const others = COMPARISONS[node.op]?.map((to) => ({ ...span('comparison', at, node.op), to }));
    if (others !== undefined) {
        return others;
    }
    if (isFlags(node)) {
        return [node.left, node.right].map((side) => ({
            ...{ operator: 'mode' as const, start: startOf(node), end: endOf(node) },
            to: text.slice(startOf(side), endOf(side)),
        }));
    }
    const other = ARITHMETIC[node.op];
    return other === undefined ? [] : [{ ...span('arithmetic', at, node.op), to: other }];
}

function removal(operator: Operator, node: Statement, text: string): Change {
    const [start, end] = [startOf(node), endOf(node)];
    return { operator, start, end: text[end] === ';' ? end + 1 : end, to: '' };
}

function removedCall(node: Statement & { kind: 'statement_expression' }, text: string): Change[] {
    const call = node.expression;
    const name = call.kind === 'static_call' ? call.function.text : call.kind === 'method_call' ? call.method.text : '';
    if (LAYOUT.has(name)) {
        return [];
    }
    return [removal(CHECK.test(name) ? 'guard' : 'statement', node, text)];
}

/** One more and one less; of a width only one more, or one less where it is the widest. */
function numbers(operator: Operator, value: bigint, start: number, end: number): Change[] {
    const others =
        operator === 'width'
            ? [value === 256n ? value - 1n : value + 1n]
            : [value + 1n, ...(value > 0n && value < LARGE ? [value - 1n] : [])];
    return others.map((other) => ({ operator, start, end, to: other.toString() }));
}

function widened(type: string, start: number): Change[] {
    const [, kind, bits] = /^(u?int)(\d+)$/.exec(type) ?? [];
    const wider = WIDTHS.find((width) => width > Number(bits));
    const to = type === 'coins' ? 'uint128' : wider === undefined ? undefined : `${kind}${wider}`;
    return to === undefined ? [] : [{ ...span('width', start, type), to }];
}

/** `f(a, b, c)` as `f(b, a, c)` and `f(a, c, b)`. */
function swapped(
    args: readonly Expression[],
    text: string,
    typeOf: (expression: Expression) => string | undefined,
): Change[] {
    return pairs(args).flatMap(([one, other]) => {
        const [first, second] = [text.slice(startOf(one), endOf(one)), text.slice(startOf(other), endOf(other))];
        const between = text.slice(endOf(one), startOf(other));
        return first === second || typeOf(one) === undefined || typeOf(one) !== typeOf(other)
            ? []
            : [{ operator: 'argument', start: startOf(one), end: endOf(other), to: second + between + first }];
    });
}

/** `S { a: x, b: y }` as `S { a: y, b: x }`. */
function swappedFields(
    fields: readonly StructFieldInitializer[],
    text: string,
    typeOf: (expression: Expression) => string | undefined,
): Change[] {
    return pairs(fields).flatMap(([one, other]) => {
        const valueOf = ({ initializer }: StructFieldInitializer) =>
            text.slice(startOf(initializer), endOf(initializer));
        const between = text.slice(endOf(one), startOf(other));
        const type = typeOf(one.initializer);
        if (valueOf(one) === valueOf(other) || type === undefined || type !== typeOf(other.initializer)) {
            return [];
        }
        const to = `${one.field.text}: ${valueOf(other)}${between}${other.field.text}: ${valueOf(one)}`;
        return [{ operator: 'argument' as const, start: startOf(one), end: endOf(other), to }];
    });
}

function pairs<T>(list: readonly T[]): [T, T][] {
    return list.slice(1).map((each, index) => [list[index], each]);
}

const WORDS: Record<string, [Operator, string]> = {
    AND: ['comparison', 'OR'],
    OR: ['comparison', 'AND'],
    EQUAL: ['comparison', 'NEQ'],
    SUB: ['arithmetic', 'ADD'],
    ADD: ['arithmetic', 'SUB'],
};

/** Changes of a function in the assembler's language: its numbers, modes, checks and operations. */
function assembly(source: string, offset: number): Change[] {
    const body = source.indexOf('{');
    const code = source.replace(/\/\/[^\n]*/g, (comment) => ' '.repeat(comment.length));
    const changes: Change[] = [];
    for (const { 0: all, 1: number, 2: word, index } of code.matchAll(/(?<![\w{])(\d+) ([A-Z#]+)/g)) {
        const [start, value] = [offset + index, BigInt(number)];
        const sends = /^\d+ INT (SENDRAWMSG|SETLIBCODE)/.test(code.slice(index));
        if (/^THROWIF(NOT)?$/.test(word)) {
            changes.push({ ...span('guard', start, all), to: 'DROP' });
        } else if (sends) {
            const flags = Array.from({ length: 8 }, (_, bit) => 1n << BigInt(bit)).filter((flag) => value & flag);
            changes.push(...flags.map((flag) => ({ ...span('mode', start, number), to: `${value - flag}` })));
        } else {
            changes.push(...numbers('constant', value, start, start + number.length));
        }
    }
    for (const { 0: word, index } of code.slice(body).matchAll(/(?<![\w-])[A-Z]+(?![\w#])/g)) {
        const other = WORDS[word];
        if (other !== undefined) {
            changes.push({ ...span(other[0], offset + body + index, word), to: other[1] });
        }
    }
    return changes;
}
