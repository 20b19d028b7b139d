import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { randomBytes } from 'node:crypto';
import {
    acceptSession,
    AnswerOpener,
    AnswerSealer,
    commits,
    encryptionKey,
    keyCommitment,
    openRequest,
    openSession,
    querySecret,
    requestHash,
    sealRequest,
} from '../../../offchain/link';

const job = Buffer.alloc(32, 7);
const wire = 'cocoon-market/2';
const salt = Buffer.alloc(16, 1);

async function sessions() {
    const key = await encryptionKey(Buffer.alloc(32, 9));
    const client = await openSession(key.publicKey, { job, wire });
    return { key, client, node: await acceptSession(key, client.enc, { job, wire }) };
}

/** RFC 9180, appendix A.1.1: the RFC has no vector for AES-256-GCM with X25519; KEM and key schedule are the same. */
const rfc9180 = {
    info: '4f6465206f6e2061204772656369616e2055726e',
    enc: '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431',
    recipient: '4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8',
    aad: '436f756e742d30',
    plain: '4265617574792069732074727574682c20747275746820626561757479',
    sealed: 'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
    exports: [
        ['', '3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee'],
        ['00', '2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5'],
        ['54657374436f6e74657874', 'e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931'],
    ],
} as const;

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex')).buffer;

describe('HPKE library', () => {
    it('opens and exports what RFC 9180 A.1.1 says', async () => {
        const suite = new CipherSuite({
            kem: new DhkemX25519HkdfSha256(),
            kdf: new HkdfSha256(),
            aead: new Aes128Gcm(),
        });
        const recipientKey = await suite.kem.deserializePrivateKey(hex(rfc9180.recipient));
        const context = await suite.createRecipientContext({
            recipientKey,
            enc: hex(rfc9180.enc),
            info: hex(rfc9180.info),
        });

        const plain = await context.open(hex(rfc9180.sealed), hex(rfc9180.aad));

        expect(Buffer.from(plain).toString('hex')).toBe(rfc9180.plain);
        for (const [exporterContext, value] of rfc9180.exports) {
            expect(Buffer.from(await context.export(hex(exporterContext), 32)).toString('hex')).toBe(value);
        }
    });
});

describe('session', () => {
    it('gives both ends the same secret', async () => {
        const { client, node } = await sessions();

        expect(node.secret.equals(client.secret)).toBe(true);
        expect(node.id.equals(client.id)).toBe(true);
    });

    it('is derived again from the same enc, as after a restart', async () => {
        const { key, client } = await sessions();

        expect((await acceptSession(key, client.enc, { job, wire })).secret.equals(client.secret)).toBe(true);
    });

    it('has another secret for another job', async () => {
        const { key, client } = await sessions();

        const other = await acceptSession(key, client.enc, { job: Buffer.alloc(32, 8), wire });

        expect(other.secret.equals(client.secret)).toBe(false);
    });

    it('has another secret each time it is opened', async () => {
        const { key, client } = await sessions();

        expect((await openSession(key.publicKey, { job, wire })).secret.equals(client.secret)).toBe(false);
    });

    it('refuses an enc that is no point', async () => {
        const { key } = await sessions();

        await expect(acceptSession(key, Buffer.alloc(32), { job, wire })).rejects.toThrow();
    });
});

describe('query secret', () => {
    it('differs by number and by salt', async () => {
        const { client } = await sessions();
        const secrets = [
            querySecret(client, 1, salt),
            querySecret(client, 2, salt),
            querySecret(client, 1, Buffer.alloc(16, 2)),
        ];

        expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(3);
    });

    it('is the only one its commitment commits to', async () => {
        const { client } = await sessions();
        const secret = querySecret(client, 1, salt);

        expect(commits(keyCommitment(secret), secret)).toBe(true);
        expect(commits(keyCommitment(secret), querySecret(client, 2, salt))).toBe(false);
        expect(commits(Buffer.alloc(31), secret)).toBe(false);
    });
});

describe('request', () => {
    const secret = randomBytes(32);
    const plain = Buffer.from('{"model":"cocoon-tiny"}');

    it('opens under its own number only', () => {
        const sealed = sealRequest(secret, 5, plain);

        expect(openRequest(secret, 5, sealed).equals(plain)).toBe(true);
        expect(() => openRequest(secret, 6, sealed)).toThrow();
    });

    it('does not open when any bit was changed', () => {
        const sealed = sealRequest(secret, 5, plain);

        for (let i = 0; i < sealed.length; i++) {
            const changed = Buffer.from(sealed);
            changed[i] = changed[i] ^ 1;
            expect(() => openRequest(secret, 5, changed)).toThrow();
        }
    });

    it('does not open when it was cut short', () => {
        const sealed = sealRequest(secret, 5, plain);

        expect(() => openRequest(secret, 5, sealed.subarray(0, -1))).toThrow();
        expect(() => openRequest(secret, 5, sealed.subarray(0, 3))).toThrow('at least as long as its tag');
    });

    it('has a hash that covers commitment, session, salt and every sealed byte', () => {
        const request = { commitment: Buffer.alloc(32, 1), session: Buffer.alloc(32, 2), salt, sealed: plain };
        const hashes = [
            request,
            { ...request, commitment: Buffer.alloc(32, 9) },
            { ...request, session: Buffer.alloc(32, 9) },
            { ...request, salt: Buffer.alloc(16, 9) },
            { ...request, sealed: Buffer.concat([plain, Buffer.of(0)]) },
        ].map((each) => requestHash(each).toString('hex'));

        expect(new Set(hashes).size).toBe(hashes.length);
    });
});

describe('answer', () => {
    const secret = randomBytes(32);
    const texts = ['one', 'two', 'three'].map((text) => Buffer.from(text));

    function sealed() {
        const sealer = new AnswerSealer(secret, 3, salt);
        return texts.map((text, i) => sealer.seal(text, { final: i === texts.length - 1 }));
    }

    it('opens frame by frame in the order of sealing', () => {
        const opener = new AnswerOpener(secret, 3, salt);

        expect(sealed().map((frame, i) => opener.open(frame, { final: i === 2 }).toString())).toEqual([
            'one',
            'two',
            'three',
        ]);
    });

    it('does not open out of order', () => {
        const [, second] = sealed();

        expect(() => new AnswerOpener(secret, 3, salt).open(second, { final: false })).toThrow();
    });

    it('does not open with another final mark, so that a cut shows', () => {
        const [first] = sealed();

        expect(() => new AnswerOpener(secret, 3, salt).open(first, { final: true })).toThrow();
    });

    it('does not open as the answer of another number or salt', () => {
        const [first] = sealed();

        expect(() => new AnswerOpener(secret, 4, salt).open(first, { final: false })).toThrow();
        expect(() => new AnswerOpener(secret, 3, Buffer.alloc(16, 2)).open(first, { final: false })).toThrow();
    });

    it('is not a request sealed under the same secret', () => {
        const request = sealRequest(secret, 3, texts[0]);

        expect(() => new AnswerOpener(secret, 3, Buffer.alloc(0)).open(request, { final: true })).toThrow();
    });
});
