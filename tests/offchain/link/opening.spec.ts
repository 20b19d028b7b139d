import { Finish } from '@cocoon-market/wrappers';
import { hkdfSync } from 'node:crypto';
import { keyCommitment, opening, openQuery, openRequest, toWire } from '../../../offchain/link';
import { makeOpening } from '../support/opening';
import { chatRequest } from '../support/requests';
import { sealedUnderTwoKeys } from '../support/twoKeys';

const chat = chatRequest({ model: 'm', messages: [{ role: 'user', content: 'Say hello' }], maxTokens: 9 });
const good = makeOpening(chat);

describe('an opened query', () => {
    it('shows request, answer and result that belong together', () => {
        const opened = openQuery(opening.parse(JSON.parse(JSON.stringify(toWire(good)))));

        expect(opened).toMatchObject({
            modelRequest: chat,
            choices: [{ index: 0, message: { content: 'Hello world' }, note: {} }],
        });
        expect(opened.result).toMatchObject({ number: 7, finish: Finish.Stop });
    });

    it('is read also when its request is as long as any', () => {
        const sealed = Buffer.alloc(8 << 20, 1);
        expect(opening.parse(toWire({ ...good, sealed })).sealed.equals(sealed)).toBe(true);
    });

    it.each(['a', '0g', 'AB'])('does not take %s for bytes', (sealed) => {
        expect(opening.safeParse({ ...(toWire(good) as object), sealed }).success).toBe(false);
    });

    it('that was sealed so that it opens under two keys opens under the one that was committed to, and no other', () => {
        const secrets = [Buffer.alloc(32, 11), Buffer.alloc(32, 12)] as const;
        const number = 7;
        const keyOf = (secret: Buffer) => {
            const info = Buffer.concat([Buffer.from('request'), Buffer.of(0, 0, 0, number)]);
            const material = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 44));
            return { key: material.subarray(0, 32), nonce: material.subarray(32) };
        };
        const associated = Buffer.of(0, 0, 0, 0, number, 0, 0, 0, 0, 1);
        const sealed = sealedUnderTwoKeys([keyOf(secrets[0]), keyOf(secrets[1])], associated);
        const plains = secrets.map((secret) => openRequest(secret, number, sealed));
        expect(plains[0]).not.toEqual(plains[1]); // AES-GCM itself takes both

        const first = makeOpening(chat, { secret: secrets[0], sealed });
        expect(() => openQuery({ ...first, secret: secrets[1] })).toThrow(
            'not the one that the request was committed to',
        );
        const recommitted = { ...first, secret: secrets[1], commitment: keyCommitment(secrets[1]) };
        expect(() => openQuery(recommitted)).toThrow('The node signed for another request or another answer');
    });

    it.each(['session', 'salt', 'sealed', 'answer'] as const)(
        'with another %s is not what the node signed for',
        (piece) => {
            const changed = Buffer.from(good[piece]);
            changed[changed.length - 1] ^= 1;
            expect(() => openQuery({ ...good, [piece]: changed })).toThrow(
                'The node signed for another request or another answer',
            );
        },
    );

    it('needs the receipt of this query, of this job, by its node', () => {
        expect(() => openQuery({ ...good, number: 8 })).toThrow('The result is of another query');
        expect(() => openQuery({ ...good, channel: Buffer.alloc(32, 1) })).toThrow('The result is of another query');
        const forged = Buffer.from(good.result);
        forged[forged.length - 1] ^= 1;
        expect(() => openQuery({ ...good, result: forged })).toThrow('The node did not sign this');
    });

    it('needs the request to ask for the model of the job', () => {
        expect(() => openQuery(makeOpening(chat, { model: 'other' }))).toThrow('another model than the job is for');
    });
});
