/**
 * Sessions, and queries sealed in them, with WebCrypto alone: a page and a server seal alike. Gateway and worker take
 * sessions and hashes from here; for frames they use Node's ciphers, which wait for nothing (offchain/link/sealing.ts).
 *
 * A session is one HPKE setup (RFC 9180) from the client to the node's encryption key, for one job. docs/protocol.md
 * describes it.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { sha256 } from './platform/node';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** Bytes of the fresh random salts of requests and answers. */
export const SALT_BYTES = 16;

const TAG_BYTES = 16;
const KEY_BYTES = 32;
const MAX_NUMBER = 0xffffffff;

/** A node's X25519 key pair for sessions; `publicKey` has 32 bytes. */
export interface EncryptionKey {
    readonly publicKey: Buffer;
    readonly pair: object; // of WebCrypto
}

/** One client's session with one node for one job. `id` names it on the wire; `secret` never leaves either end. */
export interface Session {
    readonly id: Buffer; // 32 bytes, SHA-256 of `enc` and the node's boot nonce, once that is known
    readonly enc: Buffer; // 32 bytes, what the node needs to derive `secret`
    readonly secret: Buffer; // 32 bytes
}

/** What a session is for: a job, and the version of the wire that is spoken in it. */
export interface SessionPurpose {
    job: Buffer; // hash
    wire: string;
}

/** The encryption key of a 32-byte seed; the same seed gives the same key. */
export async function encryptionKey(seed: Buffer): Promise<EncryptionKey> {
    const pair = await suite.kem.deriveKeyPair(bytesOf(seed));
    return { publicKey: Buffer.from(await suite.kem.serializePublicKey(pair.publicKey)), pair };
}

/** The client's side of a new session with the node that holds `nodeKey` (32 bytes). */
export async function openSession(nodeKey: Buffer, purpose: SessionPurpose): Promise<Session> {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bytesOf(nodeKey));
    const context = await suite.createSenderContext({ recipientPublicKey, info: sessionInfo(purpose) });
    return sessionOf(Buffer.from(context.enc), context);
}

/** The node's side of the session that `enc` began. Throws when `enc` is no key. */
export async function acceptSession(key: EncryptionKey, enc: Buffer, purpose: SessionPurpose): Promise<Session> {
    const context = await suite.createRecipientContext({
        recipientKey: key.pair as CryptoKeyPair,
        enc: bytesOf(enc),
        info: sessionInfo(purpose),
    });
    return sessionOf(enc, context);
}

/**
 * The session with a node's process, which ends with it: after a restart the client must show the job again, and with
 * it the node's newest receipts. `boot`: the nonce (16 bytes) of that process.
 */
export function withProcess(session: Session, boot: Buffer): Session {
    return { ...session, id: sha256(session.enc, boot) };
}

function sessionInfo({ job, wire }: SessionPurpose): ArrayBuffer {
    return bytesOf(Buffer.concat([Buffer.from(wire), job]));
}

async function sessionOf(enc: Buffer, context: { export(context: ArrayBuffer, length: number): Promise<ArrayBuffer> }) {
    const secret = Buffer.from(await context.export(bytesOf(Buffer.from('session')), KEY_BYTES));
    return { id: sha256(enc), enc, secret };
}

/** What a request's hash covers instead of the secret: AES-GCM does not commit to its key. */
export function keyCommitment(secret: Buffer): Buffer {
    return sha256(Buffer.from('cocoon-market key commitment'), secret);
}

/** The `request` of every receipt: covers the key commitment and every byte that was sent. */
export function requestHash(request: { commitment: Buffer; session: Buffer; salt: Buffer; sealed: Buffer }): Buffer {
    const { commitment, session, salt, sealed } = request;
    return sha256(commitment, session, salt, sealed);
}

/** The fields that go into every key and every authenticated head, as both sides write them. */
export const sealedFields = {
    /** The info of a derivation: its label and the query's number. */
    info: (label: 'query' | 'request' | 'answer', number: number): Buffer =>
        Buffer.concat([Buffer.from(label), uint32(number)]),
    /** What is authenticated beside a text: the request has index 0 and is final. */
    head: (of: 'request' | 'answer', number: number, index: number, { final }: { final: boolean }): Buffer =>
        Buffer.concat([Buffer.of(of === 'request' ? 0 : 1), uint32(number), uint32(index), Buffer.of(final ? 1 : 0)]),
    /** The nonce of a text: the last four bytes are combined with its index by XOR. */
    nonce: (iv: Buffer, index: number): Buffer => {
        const nonce = Buffer.from(iv);
        nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
        return nonce;
    },
};

function uint32(value: number): Buffer {
    if (!Number.isInteger(value) || value < 0 || value > MAX_NUMBER) {
        throw new RangeError(`The number of a query or frame is whole, 0 to ${MAX_NUMBER}; this is ${value}`);
    }
    const out = Buffer.alloc(4);
    out.writeUInt32BE(value);
    return out;
}

/** A query as it is sent; `request` is what every receipt of it names, and `secret` opens its answer. */
export interface SealedQuery {
    number: number;
    salt: Buffer; // 16 bytes
    commitment: Buffer; // 32 bytes
    sealed: Buffer;
    request: Buffer; // 32 bytes
    secret: Buffer; // 32 bytes, stays with the client
}

/** Seals the request of query `number`, which the job has not used before. `plain`: the request's JSON, UTF-8. */
export async function sealQuery(session: Session, number: number, plain: Uint8Array): Promise<SealedQuery> {
    const salt = Buffer.from(crypto.getRandomValues(new Uint8Array(SALT_BYTES)));
    const secret = await derive(session.secret, salt, sealedFields.info('query', number), KEY_BYTES);
    const key = await aeadKey(secret, Buffer.alloc(0), 'request', number);
    const head = sealedFields.head('request', number, 0, { final: true });
    const sealed = Buffer.from(await crypto.subtle.encrypt(gcm(key.iv, 0, head), key.key, new Uint8Array(plain)));
    const commitment = keyCommitment(secret);
    const request = requestHash({ commitment, session: session.id, salt, sealed });
    return { number, salt, commitment, sealed, request, secret };
}

/** Opens the frames of one answer, in order. */
export class AnswerReader {
    private index = 0;

    private constructor(
        private readonly key: AeadKey,
        private readonly number: number,
    ) {}

    /** `salt`: the 16 bytes that the node chose for this answer. */
    static async of({ secret, number }: Pick<SealedQuery, 'secret' | 'number'>, salt: Buffer): Promise<AnswerReader> {
        return new AnswerReader(await aeadKey(secret, salt, 'answer', number), number);
    }

    /** Throws if a frame was changed, left out or moved, or has another mark. One frame after the other. */
    async open(sealed: Buffer, mark: { final: boolean }): Promise<Buffer> {
        if (sealed.length < TAG_BYTES) {
            throw new Error('A sealed text is at least as long as its tag');
        }
        const head = sealedFields.head('answer', this.number, this.index, mark);
        const algorithm = gcm(this.key.iv, this.index, head);
        const plain = await crypto.subtle.decrypt(algorithm, this.key.key, new Uint8Array(sealed)).catch(() => {
            throw new Error(`Frame ${this.index} of the answer does not open: it, its place or its mark was changed`);
        });
        this.index++;
        return Buffer.from(plain);
    }
}

interface AeadKey {
    key: CryptoKey;
    iv: Buffer; // 12 bytes
}

async function aeadKey(secret: Buffer, salt: Buffer, of: 'request' | 'answer', number: number): Promise<AeadKey> {
    const material = await derive(secret, salt, sealedFields.info(of, number), KEY_BYTES + 12);
    const raw = new Uint8Array(material.subarray(0, KEY_BYTES));
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return { key, iv: material.subarray(KEY_BYTES) };
}

async function derive(secret: Buffer, salt: Buffer, info: Buffer, length: number): Promise<Buffer> {
    const key = await crypto.subtle.importKey('raw', new Uint8Array(secret), 'HKDF', false, ['deriveBits']);
    const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(salt), info: new Uint8Array(info) };
    return Buffer.from(await crypto.subtle.deriveBits(parameters, key, length * 8));
}

const gcm = (iv: Buffer, index: number, head: Buffer) => ({
    name: 'AES-GCM',
    iv: new Uint8Array(sealedFields.nonce(iv, index)),
    additionalData: new Uint8Array(head),
});

function bytesOf(buffer: Buffer): ArrayBuffer {
    return new Uint8Array(buffer).buffer;
}
