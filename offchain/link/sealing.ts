/**
 * How queries and answers are sealed. A session is one HPKE setup (RFC 9180) from the client to the node's encryption
 * key, for one job. Each query derives its own secret from the session, its number and 16 fresh random bytes; request
 * and answer have their own keys, the answer's from 16 more fresh bytes of the node. No counter survives a restart.
 *
 * AES-GCM does not commit to its key: one ciphertext can open under two. So the request's hash, and through it every
 * receipt, covers a commitment to the query's secret, which the node checks before it accepts.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { createCipheriv, createDecipheriv, createHash, hkdfSync, timingSafeEqual } from 'node:crypto';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

const TAG_BYTES = 16;

/** Bytes of the fresh random salts of requests and answers. */
export const SALT_BYTES = 16;

/** A node's X25519 key pair for sessions; `publicKey` has 32 bytes. */
export interface EncryptionKey {
    readonly publicKey: Buffer;
    readonly pair: CryptoKeyPair;
}

/** The encryption key of a 32-byte seed; the same seed gives the same key. */
export async function encryptionKey(seed: Buffer): Promise<EncryptionKey> {
    const pair = await suite.kem.deriveKeyPair(bytes(seed));
    const publicKey = Buffer.from(await suite.kem.serializePublicKey(pair.publicKey));
    return { publicKey, pair };
}

/** One client's session with one node for one job. `id` names it on the wire; `secret` never leaves either end. */
export interface Session {
    readonly id: Buffer; // 32 bytes, SHA-256 of `enc` and the node's boot nonce, once that is known
    readonly enc: Buffer; // 32 bytes, what the node needs to derive `secret`
    readonly secret: Buffer; // 32 bytes
}

function bytes(buffer: Buffer): ArrayBuffer {
    return new Uint8Array(buffer).buffer;
}

/** What a session is for: a job, and the version of the wire that is spoken in it. */
export interface SessionPurpose {
    job: Buffer; // hash
    wire: string;
}

function sessionInfo({ job, wire }: SessionPurpose): ArrayBuffer {
    return bytes(Buffer.concat([Buffer.from(wire), job]));
}

async function sessionOf(enc: Buffer, context: { export(context: ArrayBuffer, length: number): Promise<ArrayBuffer> }) {
    const secret = Buffer.from(await context.export(bytes(Buffer.from('session')), 32));
    return { id: createHash('sha256').update(enc).digest(), enc, secret };
}

/**
 * The session with a node's process, which ends with it: after a restart the client must show the job again, and with
 * it the node's newest receipts. `boot`: the nonce (16 bytes) of that process.
 */
export function withProcess(session: Session, boot: Buffer): Session {
    return { ...session, id: createHash('sha256').update(session.enc).update(boot).digest() };
}

/** The client's side of a new session with the node that holds `nodeKey` (32 bytes). */
export async function openSession(nodeKey: Buffer, purpose: SessionPurpose): Promise<Session> {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bytes(nodeKey));
    const context = await suite.createSenderContext({ recipientPublicKey, info: sessionInfo(purpose) });
    return sessionOf(Buffer.from(context.enc), context);
}

/** The node's side of the session that `enc` began. Throws when `enc` is no key. */
export async function acceptSession(key: EncryptionKey, enc: Buffer, purpose: SessionPurpose): Promise<Session> {
    const context = await suite.createRecipientContext({
        recipientKey: key.pair,
        enc: bytes(enc),
        info: sessionInfo(purpose),
    });
    return sessionOf(enc, context);
}

function derive(secret: Buffer, salt: Buffer, label: string, number: number, length: number): Buffer {
    const info = Buffer.concat([Buffer.from(label), uint32(number)]);
    return Buffer.from(hkdfSync('sha256', secret, salt, info, length));
}

function uint32(value: number): Buffer {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(value);
    return out;
}

/** The secret of one query. It opens that request and its answer, and nothing else. */
export function querySecret(session: Session, number: number, salt: Buffer): Buffer {
    return derive(session.secret, salt, 'query', number, 32);
}

/** What a request's hash covers instead of the secret. */
export function keyCommitment(secret: Buffer): Buffer {
    return createHash('sha256').update('cocoon-market key commitment').update(secret).digest();
}

/** True when `commitment` is this secret's. */
export function commits(commitment: Buffer, secret: Buffer): boolean {
    return commitment.length === 32 && timingSafeEqual(commitment, keyCommitment(secret));
}

/** The `request` of every receipt: covers the key commitment and every byte that was sent. */
export function requestHash(request: { commitment: Buffer; session: Buffer; salt: Buffer; sealed: Buffer }): Buffer {
    const { commitment, session, salt, sealed } = request;
    return createHash('sha256').update(commitment).update(session).update(salt).update(sealed).digest();
}

interface AeadKey {
    key: Buffer; // 32 bytes
    iv: Buffer; // 12 bytes, combined by XOR with the frame's index
}

function aeadKey(secret: Buffer, salt: Buffer, direction: 'request' | 'answer', number: number): AeadKey {
    const material = derive(secret, salt, direction, number, 44);
    return { key: material.subarray(0, 32), iv: material.subarray(32) };
}

function nonceOf({ iv }: AeadKey, index: number): Buffer {
    const nonce = Buffer.from(iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
    return nonce;
}

function seal(key: AeadKey, index: number, aad: Buffer, plain: Buffer): Buffer {
    const cipher = createCipheriv('aes-256-gcm', key.key, nonceOf(key, index)).setAAD(aad);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(key: AeadKey, index: number, aad: Buffer, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) {
        throw new Error('A sealed text is at least as long as its tag');
    }
    const decipher = createDecipheriv('aes-256-gcm', key.key, nonceOf(key, index)).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
}

const REQUEST = 0;
const ANSWER = 1;

/** Whether a frame is the last one of its answer. */
export interface FrameMark {
    final: boolean;
}

function aadOf(direction: number, number: number, index: number, { final }: FrameMark): Buffer {
    return Buffer.concat([Buffer.of(direction), uint32(number), uint32(index), Buffer.of(final ? 1 : 0)]);
}

const NO_SALT = Buffer.alloc(0);

/** Seals the whole request of query `number`. */
export function sealRequest(secret: Buffer, number: number, plain: Buffer): Buffer {
    return seal(aeadKey(secret, NO_SALT, 'request', number), 0, aadOf(REQUEST, number, 0, { final: true }), plain);
}

/** Opens what {@link sealRequest} sealed. Throws when anything was changed, or the number is another. */
export function openRequest(secret: Buffer, number: number, sealed: Buffer): Buffer {
    return open(aeadKey(secret, NO_SALT, 'request', number), 0, aadOf(REQUEST, number, 0, { final: true }), sealed);
}

/** Seals the frames of one answer, in order. `salt`: 16 fresh random bytes. */
export class AnswerSealer {
    private readonly key: AeadKey;
    private index = 0;

    constructor(
        secret: Buffer,
        private readonly number: number,
        salt: Buffer,
    ) {
        this.key = aeadKey(secret, salt, 'answer', number);
    }

    seal(plain: Buffer, mark: FrameMark): Buffer {
        const aad = aadOf(ANSWER, this.number, this.index, mark);
        return seal(this.key, this.index++, aad, plain);
    }
}

/** Opens the frames of one answer, in order. */
export class AnswerOpener {
    private readonly key: AeadKey;
    private index = 0;

    constructor(
        secret: Buffer,
        private readonly number: number,
        salt: Buffer,
    ) {
        this.key = aeadKey(secret, salt, 'answer', number);
    }

    /** Throws if a frame was changed, left out or moved, or has another mark. */
    open(sealed: Buffer, mark: FrameMark): Buffer {
        const plain = open(this.key, this.index, aadOf(ANSWER, this.number, this.index, mark), sealed);
        this.index++;
        return plain;
    }
}
