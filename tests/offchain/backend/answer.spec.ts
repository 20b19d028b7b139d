import { AnswerText } from '../../../offchain/backend/embedded/answer';

const bytes = (text: string) => Buffer.from(text);

describe('Answer text', () => {
    it('holds back a character until its last byte', () => {
        const text = new AnswerText();
        const [a, b, c, d] = bytes('👋');

        expect([a, b, c, d].map((byte) => text.push(Uint8Array.of(byte)))).toEqual(['', '', '', '👋']);
    });

    it('replaces a character that never ends', () => {
        const text = new AnswerText();
        text.push(bytes('é').subarray(0, 1));

        expect(text.end()).toBe('\ufffd');
    });

    it('holds back what may become a stop string and sends it when it does not', () => {
        const text = new AnswerText(['abc']);

        expect(text.push(bytes('xab'))).toBe('x');
        expect(text.push(bytes('d'))).toBe('abd');
    });

    it('stops at the earliest of several stop strings across tokens', () => {
        const text = new AnswerText(['cd', 'bcx']);

        expect(text.push(bytes('ab')) + text.push(bytes('c'))).toBe('a');
        expect(text.push(bytes('d!'))).toBe('b');
        expect(text.stopped).toBe(true);
        expect(text.end()).toBe('');
    });

    it('keeps a byte order mark inside an answer', () => {
        expect(new AnswerText().push(bytes('\ufeffa'))).toBe('\ufeffa');
    });
});
