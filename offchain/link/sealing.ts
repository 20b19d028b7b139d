/**
 * How queries and answers are sealed. A session is one HPKE setup (RFC 9180) from the client to the node's encryption
 * key, for one job. Each query derives its own secret from the session, its number and 16 fresh random bytes; request
 * and answer have their own keys, the answer's from 16 more fresh bytes of the node. No counter survives a restart.
 *
 * AES-GCM does not commit to its key: one ciphertext can open under two. So the request's hash, and through it every
 * receipt, covers a commitment to the query's secret, which the node checks before it accepts.
 */
import { keyCommitment, sealedFields, type Session } from '@cocoon-market/wrappers/sealed';
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

export {
    acceptSession,
    type EncryptionKey,
    encryptionKey,
    keyCommitment,
    openSession,
    requestHash,
    SALT_BYTES,
    type Session,
    type SessionPurpose,
    withProcess,
} from '@cocoon-market/wrappers/sealed';

const TAG_BYTES = 16;

type Label = Parameters<typeof sealedFields.info>[0];

const HASH_BYTES = 32;

// HKDF with SHA-256 (RFC 5869), as `hkdfSync` computes it in twice the time.
function derive(secret: Buffer, salt: Buffer, label: Label, number: number, length: 32 | 44): Buffer {
    const key = createHmac('sha256', salt).update(secret).digest();
    const info = sealedFields.info(label, number);
    const first = createHmac('sha256', key).update(info).update(Buffer.of(1)).digest();
    if (length === HASH_BYTES) {
        return first;
    }
    const second = createHmac('sha256', key).update(first).update(info).update(Buffer.of(2)).digest();
    return Buffer.concat([first, second], length);
}

/** The secret of one query. It opens that request and its answer, and nothing else. */
export function querySecret(session: Session, number: number, salt: Buffer): Buffer {
    return derive(session.secret, salt, 'query', number, 32);
}

/** True when `commitment` is this secret's. */
export function commits(commitment: Buffer, secret: Buffer): boolean {
    return commitment.length === 32 && timingSafeEqual(commitment, keyCommitment(secret));
}

interface AeadKey {
    key: Buffer; // 32 bytes
    iv: Buffer; // 12 bytes, combined by XOR with the frame's index
}

function aeadKey(secret: Buffer, salt: Buffer, direction: 'request' | 'answer', number: number): AeadKey {
    const material = derive(secret, salt, direction, number, 44);
    return { key: material.subarray(0, 32), iv: material.subarray(32) };
}

function seal(key: AeadKey, index: number, aad: Buffer, plain: Buffer): Buffer {
    const cipher = createCipheriv('aes-256-gcm', key.key, sealedFields.nonce(key.iv, index)).setAAD(aad);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(key: AeadKey, index: number, aad: Buffer, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) {
        throw new Error('A sealed text is at least as long as its tag');
    }
    const decipher = createDecipheriv('aes-256-gcm', key.key, sealedFields.nonce(key.iv, index)).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
}

/** Whether a frame is the last one of its answer. */
export interface FrameMark {
    final: boolean;
}

const NO_SALT = Buffer.alloc(0);

/** Seals the whole request of query `number`. */
export function sealRequest(secret: Buffer, number: number, plain: Buffer): Buffer {
    return seal(
        aeadKey(secret, NO_SALT, 'request', number),
        0,
        sealedFields.head('request', number, 0, { final: true }),
        plain,
    );
}

/** Opens what {@link sealRequest} sealed. Throws when anything was changed, or the number is another. */
export function openRequest(secret: Buffer, number: number, sealed: Buffer): Buffer {
    return open(
        aeadKey(secret, NO_SALT, 'request', number),
        0,
        sealedFields.head('request', number, 0, { final: true }),
        sealed,
    );
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
        const aad = sealedFields.head('answer', this.number, this.index, mark);
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
        const plain = open(this.key, this.index, sealedFields.head('answer', this.number, this.index, mark), sealed);
        this.index++;
        return plain;
    }
}
