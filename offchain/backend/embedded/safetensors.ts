/**
 * Reads the safetensors file that the training script writes: int8 matrices with one scale per row, float32 vectors.
 */

interface Entry {
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
}

/** A tensor ready for use: rows of `shape[shape.length - 1]` numbers. */
export interface Tensor {
    shape: number[];
    data: Float32Array;
}

/**
 * Tensors of a file by name, scales already multiplied in.
 *
 * @throws if the file is cut short, as after a failed checkout
 */
export function readWeights(file: Buffer): Map<string, Tensor> {
    const start = 8 + Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.toString('utf8', 8, start)) as Record<string, Entry>;
    const bytes = ({ data_offsets: [from, to] }: Entry): ArrayBuffer => {
        if (start + to > file.length) throw new Error('weights are cut short');
        // A copy, because Float32Array needs aligned bytes and a Buffer may begin anywhere.
        return Uint8Array.prototype.slice.call(file, start + from, start + to).buffer;
    };

    const tensors = new Map<string, Tensor>();
    for (const [name, entry] of Object.entries(header)) {
        if (name.endsWith('.scale')) continue;
        if (entry.dtype === 'F32') {
            tensors.set(name, { shape: entry.shape, data: new Float32Array(bytes(entry)) });
            continue;
        }
        if (entry.dtype !== 'I8') throw new Error(`weights hold ${name} as ${entry.dtype}, expected I8 or F32`);
        const rounded = new Int8Array(bytes(entry));
        const scale = new Float32Array(bytes(header[`${name}.scale`]));
        const columns = entry.shape[1];
        const data = new Float32Array(rounded.length);
        for (let i = 0; i < data.length; i++) data[i] = rounded[i] * scale[Math.floor(i / columns)];
        tensors.set(name, { shape: entry.shape, data });
    }
    return tensors;
}
