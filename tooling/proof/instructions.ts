/** The instructions of a compiled contract, each with the place by which the log of the TVM names it. */
import { BitReader, BitString, Cell, Slice } from '@ton/core';
import { runtime } from 'ton-assembly';

export interface Instruction {
    /** Hash of the cell and offset in bits, as the log of the TVM has them: `0a…ff:120`. */
    readonly place: string;
    readonly name: string;
    /** All that makes it another instruction, without the code inside it. */
    readonly text: string;
    /** The code inside it: bodies of continuations, methods of a dictionary. */
    readonly bodies: Instruction[][];
}

/** Instructions whose references are code. */
const CODE_IN_REFERENCES = new Set(
    ['PUSHREFCONT', 'CALLREF', 'JMPREF', 'IFREF', 'IFNOTREF', 'IFJMPREF', 'IFNOTJMPREF', 'IFREFELSE'].concat([
        'IFELSEREF',
        'IFREFELSEREF',
        'IFBITJMPREF',
        'IFNBITJMPREF',
    ]),
);
/** Bits before the code inside an instruction. */
const HEADS: Record<string, number> = { PUSHCONT: 16, PUSHCONT_SHORT: 8 };
/** Nothing runs on after these. */
const LAST = new Set(['RET', 'RETALT', 'JMPX', 'JMPREF', 'JMPXDATA', 'THROW', 'THROW_SHORT', 'THROWARG', 'THROWANY']);

/** The code of a contract as a sequence. A cell that the code runs on into is part of the sequence. */
export function instructionsOf(code: Cell): Instruction[] {
    return sequence(code, 0, code.bits, code.refs);
}

/** An instruction, and how its block is found from the beginning of the code. */
export type Reachable = Instruction & { block: string };

/**
 * Those that a run can come to, each place once: what follows a throw, a return or a jump in the same sequence is left
 * out.
 */
export function reachable(list: Instruction[]): Map<string, Reachable> {
    const found = new Map<string, Reachable>();
    const visit = (instructions: Instruction[], block: string) => {
        for (const [index, instruction] of instructions.entries()) {
            const { place, name, bodies } = instruction;
            if (!found.has(place)) {
                found.set(place, { ...instruction, block });
            }
            bodies.forEach((body, number) => visit(body, `${block} > ${index} ${name} ${number}`));
            if (LAST.has(name)) {
                return;
            }
        }
    };
    visit(list, 'code');
    return found;
}

/**
 * Instructions of `original` at which `changed` is another code. A run of the two differs only if it comes to one of
 * them.
 */
export function differences(original: Instruction[], changed: Instruction[]): Instruction[] {
    const found: Instruction[] = [];
    for (const [index, one] of original.entries()) {
        const other = changed[index];
        if (other === undefined || one.text !== other.text || one.bodies.length !== other.bodies.length) {
            return [...found, one];
        }
        for (const [body, instructions] of one.bodies.entries()) {
            const [inside, others] = [instructions, other.bodies[body]];
            // An empty body has no place of its own.
            found.push(...(inside.length === 0 && others.length > 0 ? [one] : differences(inside, others)));
        }
    }
    return changed.length > original.length ? [...found, ...original.slice(-1)] : found;
}

function sequence(cell: Cell, from: number, bits: BitString, refs: Cell[]): Instruction[] {
    if (cell.isExotic) {
        throw new Error(`The code has an exotic cell, ${cell.hash().toString('hex')}`);
    }
    const hash = cell.hash().toString('hex');
    const slice = new Slice(new BitReader(bits), refs);
    const list: Instruction[] = [];
    while (slice.remainingBits > 0) {
        const [start, firstRef] = [slice.offsetBits, slice.offsetRefs];
        const { $: name } = runtime.instr.load(slice);
        const own = bits.substring(start, slice.offsetBits - start);
        const children = refs.slice(firstRef, slice.offsetRefs);
        list.push({ place: `${hash}:${from + start}`, name, ...inside(name, cell, from + start, own, children) });
    }
    // What is left is where the code goes on.
    const [next] = refs.slice(slice.offsetRefs);
    return next === undefined ? list : [...list, ...instructionsOf(next)];
}

function inside(
    name: string,
    cell: Cell,
    offset: number,
    own: BitString,
    children: Cell[],
): { text: string; bodies: Instruction[][] } {
    const head = HEADS[name];
    if (head !== undefined) {
        return {
            text: name,
            bodies: [sequence(cell, offset + head, own.substring(head, own.length - head), children)],
        };
    }
    if (CODE_IN_REFERENCES.has(name)) {
        return { text: `${name} ${own.toString()}`, bodies: children.map(instructionsOf) };
    }
    if (name === 'DICTPUSHCONST') {
        const keyBits = Number(numberOf(own.substring(own.length - 10, 10)));
        const methods = methodsIn(children[0], keyBits);
        const keys = methods.map(({ key }) => key).join(' ');
        return {
            text: `${name} ${keys}`,
            bodies: methods.map(({ leaf, offset: at, refs }) => {
                return sequence(leaf, at, leaf.bits.substring(at, leaf.bits.length - at), refs);
            }),
        };
    }
    return { text: [own.toString(), ...children.map((ref) => ref.hash().toString('hex'))].join(' '), bodies: [] };
}

/** The leaves of a dictionary: key as bits, cell, and where in the cell the value begins. */
function methodsIn(
    cell: Cell,
    keyBits: number,
    prefix = '',
): { key: string; leaf: Cell; offset: number; refs: Cell[] }[] {
    const slice = cell.beginParse();
    const key = prefix + labelOf(slice, keyBits - prefix.length);
    if (key.length === keyBits) {
        return [{ key, leaf: cell, offset: slice.offsetBits, refs: cell.refs }];
    }
    return cell.refs.flatMap((ref, bit) => methodsIn(ref, keyBits, `${key}${bit}`));
}

/** HmLabel of block.tlb. */
function labelOf(slice: Slice, max: number): string {
    const lengthBits = max.toString(2).length;
    if (!slice.loadBit()) {
        let length = 0;
        while (slice.loadBit()) {
            length++;
        }
        return bitsOf(slice, length);
    }
    if (!slice.loadBit()) {
        return bitsOf(slice, max === 0 ? 0 : slice.loadUint(lengthBits));
    }
    const bit = slice.loadBit() ? '1' : '0';
    return bit.repeat(slice.loadUint(lengthBits));
}

function bitsOf(slice: Slice, length: number): string {
    return Array.from({ length }, () => (slice.loadBit() ? '1' : '0')).join('');
}

function numberOf(bits: BitString): bigint {
    return new BitReader(bits).loadUintBig(bits.length);
}
