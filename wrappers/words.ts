/** The 24 words of a wallet. They are checked first, because other words would silently open another wallet. */
import { mnemonicToPrivateKey, mnemonicValidate, mnemonicWordList } from '@ton/crypto';

const WORDS = 24;

/** Words in one form: small letters, one space between two. */
export function normaliseWords(text: string): string {
    return text.normalize('NFKD').trim().toLowerCase().split(/\s+/).join(' ');
}

/**
 * The Ed25519 seed, 32 bytes, of a wallet's words. Throws an Error that says what is wrong with them; it never
 * contains one of them.
 */
export async function seedOfWords(text: string): Promise<Buffer> {
    const words = normaliseWords(text).split(' ').filter(Boolean);
    if (words.length !== WORDS) {
        throw new Error(`A wallet has ${WORDS} words, these are ${words.length}`);
    }
    const unknown = words.findIndex((word) => !mnemonicWordList.includes(word));
    if (unknown >= 0) {
        throw new Error(`Word ${unknown + 1} is not in the list of wallet words: it has a typing error`);
    }
    if (!(await mnemonicValidate(words))) {
        throw new Error(`These ${WORDS} words are not a wallet's: one is wrong, or two are in the wrong order`);
    }
    return (await mnemonicToPrivateKey(words)).secretKey.subarray(0, 32);
}
