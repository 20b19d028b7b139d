/**
 * Sealed texts that were changed, or shown in another place: neither the ciphers of Node.js nor WebCrypto open them. A
 * short run; `npm run test:doors` takes 50,000 of each.
 */
import { randomBytes } from 'node:crypto';
import { AnswerReader, sealQuery } from '@cocoon-market/wrappers/sealed';
import {
    acceptSession,
    AnswerOpener,
    AnswerSealer,
    commits,
    encryptionKey,
    openRequest,
    openSession,
    querySecret,
    type Session,
} from '../../../offchain/link';
import { numbers } from '../../support/numbers';
import { type Below, changedBytes, flippedBit } from './bytes';
import { COUNT } from './fuzz';

jest.setTimeout(1_800_000); // of the long run

const purpose = { job: Buffer.alloc(32, 7), wire: 'cocoon-market/2' };
const TEXT = Buffer.from('{"model":"cocoon-tiny","messages":[{"role":"user","content":"a question"}]}');

async function newSession(): Promise<{ key: Awaited<ReturnType<typeof encryptionKey>>; session: Session }> {
    const key = await encryptionKey(randomBytes(32));
    return { key, session: await openSession(key.publicKey, purpose) };
}

/** The text, or undefined if it does not open; an error without words of its own is a fault of the opener. */
async function opened(open: () => Buffer | Promise<Buffer>): Promise<Buffer | undefined> {
    try {
        return await open();
    } catch (error) {
        if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
        return undefined;
    }
}

/** Mostly what is right, so that single changes show; else something near it. */
const maybe = <T>(below: Below, right: T, change: () => T): T => (below(4) === 0 ? change() : right);

describe('A sealed request', () => {
    it('opens only as it was sealed, under its own number, salt and session', async () => {
        const below = numbers(31);
        const { session } = await newSession();
        const other = (await newSession()).session;
        const { sealed, salt, commitment } = await sealQuery(session, 7, TEXT);
        let whole = 0;
        for (let i = 0; i < COUNT; i++) {
            const shown = {
                sealed: maybe(below, changedBytes(below, sealed), () => sealed),
                salt: maybe(below, salt, () => flippedBit(below, salt)),
                number: maybe(below, 7, () => below(2 ** 32)),
                session: maybe(below, session, () => other),
            };
            const secret = querySecret(shown.session, shown.number, shown.salt);
            const isSame = shown.salt.equals(salt) && shown.number === 7 && shown.session === session;
            expect(commits(commitment, secret)).toBe(isSame);
            const text = await opened(() => openRequest(secret, shown.number, shown.sealed));
            expect(text).toEqual(isSame && shown.sealed.equals(sealed) ? TEXT : undefined);
            whole += text === undefined ? 0 : 1;
        }
        expect(whole).toBeGreaterThan(0);
    });
});

describe('The frames of an answer', () => {
    it('open in Node.js exactly when they open in a browser: unchanged, in their place, with their mark', async () => {
        const below = numbers(32);
        const [secret, salt] = [randomBytes(32), randomBytes(16)];
        const texts = ['one', 'a second frame that is longer', ''].map((text) => Buffer.from(text));
        const sealer = new AnswerSealer(secret, 7, salt);
        const frames = texts.map((text, i) => sealer.seal(text, { final: i === texts.length - 1 }));
        let whole = 0;
        for (let i = 0; i < COUNT; i++) {
            const number = maybe(below, 7, () => below(2 ** 32));
            const salted = maybe(below, salt, () => flippedBit(below, salt));
            const secretUsed = maybe(below, secret, () => flippedBit(below, secret));
            const opener = new AnswerOpener(secretUsed, number, salted);
            const reader = await AnswerReader.of({ secret: secretUsed, number }, salted);
            const isSame = number === 7 && salted.equals(salt) && secretUsed.equals(secret);
            for (let at = 0; at < texts.length; at++) {
                const place = maybe(below, at, () => below(texts.length));
                const sealed = maybe(below, frames[place], () => changedBytes(below, frames[place]));
                const final = maybe(below, at === texts.length - 1, () => below(2) === 0);
                const found = await opened(() => opener.open(sealed, { final }));
                expect(await opened(() => reader.open(sealed, { final }))).toEqual(found);
                const isFrame = sealed.equals(frames[at]) && final === (at === texts.length - 1);
                expect(found).toEqual(isSame && isFrame ? texts[at] : undefined);
                if (found === undefined) break;
                whole += at === texts.length - 1 ? 1 : 0;
            }
        }
        expect(whole).toBeGreaterThan(0);
    });
});

describe('The beginning of a session', () => {
    it('gives no other beginning, job or version of the wire the same secret', async () => {
        const below = numbers(33);
        const { key, session } = await newSession();
        for (let i = 0; i < COUNT; i++) {
            const enc = maybe(below, changedBytes(below, session.enc), () => session.enc);
            const job = maybe(below, purpose.job, () => changedBytes(below, purpose.job));
            const wire = maybe(below, purpose.wire, () => 'cocoon-market/1');
            const accepted = await opened(async () => (await acceptSession(key, enc, { job, wire })).secret);
            const isSame = enc.equals(session.enc) && job.equals(purpose.job) && wire === purpose.wire;
            expect(accepted?.equals(session.secret) ?? false).toBe(isSame);
        }
    });
});
