/**
 * Answers as OpenAI's embeddings. A node sends the vectors as a note: each with its index, as 32-bit numbers in base64.
 */
import { AnswerPiece } from '../../link';
import { GatewayError } from '../errors';
import type { BilledResult } from '../router';

interface Vector {
    index?: unknown;
    embedding?: unknown;
}

/** Collects the vectors of one answer. */
export class Embeddings {
    private readonly vectors = new Map<number, string>();

    constructor(
        private readonly inputs: number,
        private readonly encoding: 'float' | 'base64',
    ) {}

    add({ note: { vectors } }: AnswerPiece): void {
        for (const vector of Array.isArray(vectors) ? (vectors as (Vector | null)[]) : []) {
            const { index, embedding } = vector ?? {};
            if (typeof index === 'number' && typeof embedding === 'string' && embedding !== '') {
                this.vectors.set(index, embedding);
            }
        }
    }

    /** Throws 502 unless there is one vector for each input. */
    body(model: string, { prompt, cached, price, bill }: BilledResult): object {
        const data = Array.from({ length: this.inputs }, (_, index) => {
            const packed = this.vectors.get(index);
            if (packed === undefined) {
                throw new GatewayError(502, 'bad_node', 'The node left out a vector: ask again', { billed: true });
            }
            return { object: 'embedding', index, embedding: this.encoding === 'base64' ? packed : numbersOf(packed) };
        });
        const tokens = prompt + cached;
        const usage = { prompt_tokens: tokens, total_tokens: tokens, cost_nanoton: price.toString(), ...bill };
        return { object: 'list', data, model, usage };
    }
}

function numbersOf(packed: string): number[] {
    const bytes = Buffer.from(packed, 'base64');
    return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => bytes.readFloatLE(i * 4));
}
