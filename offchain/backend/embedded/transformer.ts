/**
 * The forward pass of a llama-like decoder, one token at a time: RMSNorm, rotary positions, causal attention with a
 * cache of keys and values, SwiGLU, output tied to the embedding. Plain float32 loops in a fixed order, so the same
 * tokens give the same bits on every machine.
 */

import type { Tensor } from './safetensors';

/** The numbers of the architecture, as `config.json` holds them. */
export interface TransformerConfig {
    vocabulary: number;
    context: number; // tokens, prompt and answer together
    dim: number;
    layers: number;
    heads: number;
    hidden: number;
    ropeTheta: number;
    epsilon: number;
}

interface Layer {
    attentionNorm: Float32Array;
    query: Float32Array;
    key: Float32Array;
    value: Float32Array;
    output: Float32Array;
    feedNorm: Float32Array;
    gate: Float32Array;
    up: Float32Array;
    down: Float32Array;
}

/** Loaded weights; holds no state of any conversation. */
export class Transformer {
    readonly embedding: Float32Array;
    readonly layers: Layer[];
    readonly norm: Float32Array;
    readonly frequencies: Float64Array; // radians per position, one per pair of a head

    /** @throws if a tensor is missing, or its shape is not that of the config, or the loops do not support it */
    constructor(
        readonly config: TransformerConfig,
        weights: Map<string, Tensor>,
    ) {
        const { vocabulary, dim, heads, hidden, ropeTheta } = config;
        if ([vocabulary, dim, hidden].some((rows) => rows % 4 !== 0)) {
            throw new Error('the multiplication takes four rows at once: vocabulary, dim and hidden must divide by 4');
        }
        const take = (name: string, ...shape: number[]): Float32Array => {
            const tensor = weights.get(name);
            if (tensor?.shape.join() !== shape.join()) {
                throw new Error(`weights hold ${name} as [${tensor?.shape}], config.json needs [${shape}]`);
            }
            return tensor.data;
        };
        this.embedding = take('embedding', vocabulary, dim);
        this.layers = Array.from({ length: config.layers }, (_, i) => ({
            attentionNorm: take(`layers.${i}.attentionNorm`, dim),
            query: take(`layers.${i}.query`, dim, dim),
            key: take(`layers.${i}.key`, dim, dim),
            value: take(`layers.${i}.value`, dim, dim),
            output: take(`layers.${i}.output`, dim, dim),
            feedNorm: take(`layers.${i}.feedNorm`, dim),
            gate: take(`layers.${i}.gate`, hidden, dim),
            up: take(`layers.${i}.up`, hidden, dim),
            down: take(`layers.${i}.down`, dim, hidden),
        }));
        this.norm = take('norm', dim);
        const half = dim / heads / 2;
        this.frequencies = Float64Array.from({ length: half }, (_, i) => ropeTheta ** (-i / half));
    }
}

/** The cache of keys and values of one conversation. Conversations share nothing. */
export class Inference {
    private position = 0;
    private readonly keys: Float32Array[];
    private readonly values: Float32Array[];
    private readonly state: Float32Array;
    private readonly scores: Float32Array;

    /** @param capacity maximal number of tokens that are fed, at most the context */
    constructor(
        private readonly model: Transformer,
        capacity: number,
    ) {
        const { dim, layers } = model.config;
        this.keys = Array.from({ length: layers }, () => new Float32Array(capacity * dim));
        this.values = Array.from({ length: layers }, () => new Float32Array(capacity * dim));
        this.state = new Float32Array(dim);
        this.scores = new Float32Array(capacity);
    }

    /** Feeds one more token to the model. */
    feed(token: number): void {
        const { model, state } = this;
        const { dim, hidden, epsilon } = model.config;
        state.set(model.embedding.subarray(token * dim, (token + 1) * dim));
        const normal = new Float32Array(dim);
        const query = new Float32Array(dim);
        const mixed = new Float32Array(dim);
        const change = new Float32Array(dim);
        const gate = new Float32Array(hidden);
        const up = new Float32Array(hidden);
        model.layers.forEach((layer, i) => {
            const key = this.keys[i].subarray(this.position * dim, (this.position + 1) * dim);
            const value = this.values[i].subarray(this.position * dim, (this.position + 1) * dim);
            normalize(normal, state, layer.attentionNorm, epsilon);
            multiply(query, layer.query, normal);
            multiply(key, layer.key, normal);
            multiply(value, layer.value, normal);
            this.rotate(query);
            this.rotate(key);
            this.attend(mixed, query, this.keys[i], this.values[i]);
            multiply(change, layer.output, mixed);
            add(state, change);

            normalize(normal, state, layer.feedNorm, epsilon);
            multiply(gate, layer.gate, normal);
            multiply(up, layer.up, normal);
            for (let j = 0; j < hidden; j++) gate[j] = (gate[j] / (1 + Math.exp(-gate[j]))) * up[j];
            multiply(change, layer.down, gate);
            add(state, change);
        });
        this.position++;
    }

    /** The score of every token as the next one. */
    logits(): Float32Array {
        const { vocabulary, dim, epsilon } = this.model.config;
        const normal = new Float32Array(dim);
        normalize(normal, this.state, this.model.norm, epsilon);
        const scores = new Float32Array(vocabulary);
        multiply(scores, this.model.embedding, normal);
        return scores;
    }

    private rotate(vector: Float32Array): void {
        const { frequencies } = this.model;
        const half = frequencies.length;
        for (let pair = 0; pair < half; pair++) {
            const cos = Math.cos(this.position * frequencies[pair]);
            const sin = Math.sin(this.position * frequencies[pair]);
            for (let at = pair; at < vector.length; at += 2 * half) {
                const a = vector[at];
                const b = vector[at + half];
                vector[at] = a * cos - b * sin;
                vector[at + half] = b * cos + a * sin;
            }
        }
    }

    private attend(out: Float32Array, query: Float32Array, keys: Float32Array, values: Float32Array): void {
        const { dim, heads } = this.model.config;
        const { scores, position } = this;
        const size = dim / heads;
        const scale = 1 / Math.sqrt(size);
        out.fill(0);
        for (let head = 0; head < dim; head += size) {
            let top = -Infinity;
            for (let t = 0; t <= position; t++) {
                const at = t * dim + head;
                let sum = 0;
                for (let j = 0; j < size; j++) sum += query[head + j] * keys[at + j];
                scores[t] = sum * scale;
                top = Math.max(top, scores[t]);
            }
            let total = 0;
            for (let t = 0; t <= position; t++) {
                scores[t] = Math.exp(scores[t] - top);
                total += scores[t];
            }
            for (let t = 0; t <= position; t++) {
                const at = t * dim + head;
                const weight = scores[t] / total;
                for (let j = 0; j < size; j++) out[head + j] += weight * values[at + j];
            }
        }
    }
}

/**
 * `out = matrix × vector` for a matrix stored row by row; four rows at once, because that reads the vector a quarter as
 * often.
 */
function multiply(out: Float32Array, matrix: Float32Array, vector: Float32Array): void {
    const columns = vector.length;
    for (let row = 0; row < out.length; row += 4) {
        const first = row * columns;
        const second = first + columns;
        const third = second + columns;
        const fourth = third + columns;
        let a = 0;
        let b = 0;
        let c = 0;
        let d = 0;
        for (let j = 0; j < columns; j++) {
            const x = vector[j];
            a += matrix[first + j] * x;
            b += matrix[second + j] * x;
            c += matrix[third + j] * x;
            d += matrix[fourth + j] * x;
        }
        out[row] = a;
        out[row + 1] = b;
        out[row + 2] = c;
        out[row + 3] = d;
    }
}

function normalize(out: Float32Array, vector: Float32Array, gain: Float32Array, epsilon: number): void {
    let sum = 0;
    for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
    const scale = 1 / Math.sqrt(sum / vector.length + epsilon);
    for (let i = 0; i < vector.length; i++) out[i] = vector[i] * scale * gain[i];
}

function add(to: Float32Array, change: Float32Array): void {
    for (let i = 0; i < to.length; i++) to[i] += change[i];
}
