/**
 * Writes the embedded model as a GGUF file, which llama.cpp reads. Format: docs/gguf.md of github.com/ggml-org/ggml.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWeights, type Tensor } from '../../offchain/backend/embedded/safetensors';
import type { TokenizerFile } from '../../offchain/backend/embedded/tokenizer';
import type { TransformerConfig } from '../../offchain/backend/embedded/transformer';

const WEIGHTS = join(__dirname, '../../offchain/backend/embedded/weights');

const ALIGNMENT = 32;
const VERSION = 3;
const F32 = 0; // type of a tensor

/** Types of values in the header. */
const [UINT32, INT32, FLOAT32, TEXT, LIST] = [4, 5, 6, 8, 9];
const [NORMAL, CONTROL] = [1, 3]; // types of tokens

const u32 = (value: number) => {
    const out = Buffer.alloc(4);
    out.writeUInt32LE(value);
    return out;
};
const i32 = (value: number) => {
    const out = Buffer.alloc(4);
    out.writeInt32LE(value);
    return out;
};
const f32 = (value: number) => {
    const out = Buffer.alloc(4);
    out.writeFloatLE(value);
    return out;
};
const u64 = (value: number) => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64LE(BigInt(value));
    return out;
};
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

/** A value of the header: its type and its bytes. */
type Value = [number, Buffer];
const list = (type: number, items: Buffer[]): Value => [LIST, Buffer.concat([u32(type), u64(items.length), ...items])];

/** GPT-2 writes every byte as one printable character. */
function characterOf(byte: number): string {
    const isPrintable = (b: number) => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
    if (isPrintable(byte)) {
        return String.fromCharCode(byte);
    }
    const before = Array.from({ length: byte }, (_, b) => b).filter((b) => !isPrintable(b)).length;
    return String.fromCharCode(0x100 + before);
}

function vocabularyOf({ specials, merges }: TokenizerFile): { tokens: string[]; types: number[]; pairs: string[] } {
    const tokens = [...Array.from({ length: 256 }, (_, byte) => characterOf(byte)), ...specials];
    const pairs = merges.map(([first, second]) => {
        tokens.push(tokens[first] + tokens[second]);
        return `${tokens[first]} ${tokens[second]}`;
    });
    const types = tokens.map((_, i) => (i >= 256 && i < 256 + specials.length ? CONTROL : NORMAL));
    return { tokens, types, pairs };
}

/** llama.cpp turns neighbours of a head, and the embedded model turns the halves of a head: rows change places. */
function withNeighbours({ shape, data }: Tensor, heads: number): Tensor {
    const [rows, columns] = shape;
    const size = rows / heads;
    const moved = new Float32Array(data.length);
    for (let row = 0; row < rows; row++) {
        const [head, at] = [Math.floor(row / size), row % size];
        const from = head * size + (at % 2 === 0 ? at / 2 : size / 2 + (at - 1) / 2);
        moved.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
    }
    return { shape, data: moved };
}

function tensorsOf(weights: Map<string, Tensor>, { layers, heads }: TransformerConfig): [string, Tensor][] {
    const take = (name: string) => weights.get(name)!;
    const ofLayer = (i: number): [string, Tensor][] => [
        [`blk.${i}.attn_norm.weight`, take(`layers.${i}.attentionNorm`)],
        [`blk.${i}.attn_q.weight`, withNeighbours(take(`layers.${i}.query`), heads)],
        [`blk.${i}.attn_k.weight`, withNeighbours(take(`layers.${i}.key`), heads)],
        [`blk.${i}.attn_v.weight`, take(`layers.${i}.value`)],
        [`blk.${i}.attn_output.weight`, take(`layers.${i}.output`)],
        [`blk.${i}.ffn_norm.weight`, take(`layers.${i}.feedNorm`)],
        [`blk.${i}.ffn_gate.weight`, take(`layers.${i}.gate`)],
        [`blk.${i}.ffn_up.weight`, take(`layers.${i}.up`)],
        [`blk.${i}.ffn_down.weight`, take(`layers.${i}.down`)],
    ];
    return [
        ['token_embd.weight', take('embedding')],
        ...Array.from({ length: layers }, (_, i) => ofLayer(i)).flat(),
        ['output_norm.weight', take('norm')],
    ];
}

/** The bytes of the file. */
export function embeddedModelAsGguf(): Buffer {
    const read = (name: string) => readFileSync(join(WEIGHTS, name));
    const config = JSON.parse(read('config.json').toString()) as TransformerConfig;
    const tokenizer = JSON.parse(read('tokenizer.json').toString()) as TokenizerFile;
    const { tokens, types, pairs } = vocabularyOf(tokenizer);
    const special = (name: string) => u32(256 + tokenizer.specials.indexOf(name));
    const header: Record<string, Value> = {
        'general.architecture': [TEXT, text('llama')],
        'general.alignment': [UINT32, u32(ALIGNMENT)],
        'llama.vocab_size': [UINT32, u32(config.vocabulary)],
        'llama.context_length': [UINT32, u32(config.context)],
        'llama.embedding_length': [UINT32, u32(config.dim)],
        'llama.block_count': [UINT32, u32(config.layers)],
        'llama.feed_forward_length': [UINT32, u32(config.hidden)],
        'llama.rope.dimension_count': [UINT32, u32(config.dim / config.heads)],
        'llama.rope.freq_base': [FLOAT32, f32(config.ropeTheta)],
        'llama.attention.head_count': [UINT32, u32(config.heads)],
        'llama.attention.head_count_kv': [UINT32, u32(config.heads)],
        'llama.attention.layer_norm_rms_epsilon': [FLOAT32, f32(config.epsilon)],
        'tokenizer.ggml.model': [TEXT, text('gpt2')],
        'tokenizer.ggml.pre': [TEXT, text('default')],
        'tokenizer.ggml.tokens': list(TEXT, tokens.map(text)),
        'tokenizer.ggml.token_type': list(INT32, types.map(i32)),
        'tokenizer.ggml.merges': list(TEXT, pairs.map(text)),
        'tokenizer.ggml.bos_token_id': [UINT32, special('<|begin|>')],
        'tokenizer.ggml.eos_token_id': [UINT32, special('<|end|>')],
    };
    const tensors = tensorsOf(readWeights(read('weights.safetensors')), config);
    const infos: Buffer[] = [];
    const data: Buffer[] = [];
    let offset = 0;
    for (const [name, { shape, data: values }] of tensors) {
        const dimensions = [...shape].reverse(); // the one that lies together comes first
        infos.push(text(name), u32(shape.length), ...dimensions.map(u64), u32(F32), u64(offset));
        const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
        data.push(bytes, padding(bytes.length));
        offset += bytes.length + padding(bytes.length).length;
    }
    const entries = Object.entries(header).map(([key, [type, bytes]]) => Buffer.concat([text(key), u32(type), bytes]));
    const start = [Buffer.from('GGUF'), u32(VERSION), u64(tensors.length), u64(entries.length)];
    const head = Buffer.concat([...start, ...entries, ...infos]);
    return Buffer.concat([head, padding(head.length), ...data]);
}

const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
