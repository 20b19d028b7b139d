/** Shows crafted signatures to everybody who checks one, and counts who differs from the chain. */
import { createHash, createPublicKey, verify, webcrypto } from 'node:crypto';
import { verify as nobleVerify } from '@noble/ed25519';
import { signVerify } from '@ton/crypto';
import { Forger, type SignatureCase } from './forger';
import { type Asked, Payloads } from './payloads';
import { type BrowserKeys, Verifiers } from './verifiers';

/** A case on which not all agree, or on which all differ from what was made. */
interface Disagreement extends Asked {
    index: number;
    shown?: Record<'key' | 'hash' | 'signature', string>; // hex
}

/** How often a library that the market does not use alone differs from the chain. */
interface Difference {
    takesMore: number; // a worker would serve for what no contract pays
    takesLess: number;
    families: string[]; // of these cases
}

export interface SignatureReport {
    node: string;
    openssl: string;
    seed: number;
    cases: number;
    good: number;
    families: number;
    disagreements: Disagreement[];
    others: Record<string, Difference>;
    digest: string; // of all cases and verdicts: the same for a seed on every version of Node.js
}

const EVERY = 2; // each second case is a payload
const SHOWN = 10; // disagreements that a report holds

export interface ComparisonOptions {
    cases: number;
    seed: number;
    browser: BrowserKeys;
    /** Also asks the slow ones of the libraries that the market does not use alone. */
    withSlow?: boolean;
    /** Called with the number of cases so far. */
    onProgress?: (done: number) => void;
}

export async function compareSignatures(options: ComparisonOptions): Promise<SignatureReport> {
    const { cases, seed, browser, withSlow = false, onProgress } = options;
    const verifiers = await Verifiers.start(browser);
    const forger = new Forger(seed);
    const payloads = new Payloads(seed, verifiers);
    const families = new Set<string>();
    const digest = createHash('sha256');
    const others: SignatureReport['others'] = {};
    const disagreements: Disagreement[] = [];
    let good = 0;
    for (let index = 0; index < cases; index++) {
        const place = Math.floor(index / EVERY);
        const crafted = index % EVERY === 0 ? forger.draw(place) : undefined;
        const asked = crafted === undefined ? await payloads.show(place) : await ofCrafted(verifiers, crafted);
        const { family, isGood, verdicts } = asked;
        families.add(family);
        good += isGood ? 1 : 0;
        if (Object.values(verdicts).some((verdict) => verdict !== isGood)) {
            disagreements.push({ index, ...asked, ...(crafted && { shown: hexOf(crafted) }) });
        }
        digest.update(JSON.stringify([family, crafted && hexOf(crafted), verdicts]));
        if (crafted !== undefined) {
            await compareOthers(withSlow ? { ...ofNode, ...slow } : ofNode, crafted, verdicts.chain, others);
        }
        onProgress?.(index + 1);
    }
    return {
        ...{ node: process.versions.node, openssl: process.versions.openssl, seed, cases, good },
        ...{ families: families.size, disagreements: disagreements.slice(0, SHOWN), others },
        digest: digest.digest('hex'),
    };
}

async function ofCrafted(verifiers: Verifiers, crafted: SignatureCase): Promise<Asked> {
    return { family: crafted.family, isGood: crafted.isGood, verdicts: await verifiers.ofSignature(crafted) };
}

const hexOf = ({ key, hash, signature }: SignatureCase) => ({
    key: key.toString('hex'),
    hash: hash.toString('hex'),
    signature: signature.toString('hex'),
});

type Library = (shown: SignatureCase) => boolean | Promise<boolean>;

/** What the versions of Node.js bring. */
const ofNode: Record<string, Library> = {
    'node:crypto alone': ({ key, hash, signature }) => {
        const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') };
        return verify(null, hash, createPublicKey({ key: jwk, format: 'jwk' }), signature);
    },
    WebCrypto: async ({ key, hash, signature }) => {
        const imported = await webcrypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
        return webcrypto.subtle.verify('Ed25519', imported, signature, hash);
    },
};

const slow: Record<string, Library> = {
    '@noble/ed25519': ({ key, hash, signature }) => nobleVerify(signature, hash, key),
    '@ton/crypto': ({ key, hash, signature }) => signVerify(hash, signature, key),
};

async function compareOthers(
    libraries: Record<string, Library>,
    shown: SignatureCase,
    chain: boolean,
    others: SignatureReport['others'],
): Promise<void> {
    for (const [name, ask] of Object.entries(libraries)) {
        const difference = (others[name] ??= { takesMore: 0, takesLess: 0, families: [] });
        const takes = await Promise.resolve()
            .then(() => ask(shown))
            .catch(() => false);
        difference.takesMore += takes && !chain ? 1 : 0;
        difference.takesLess += !takes && chain ? 1 : 0;
        if (takes !== chain && !difference.families.includes(shown.family)) {
            difference.families.push(shown.family);
        }
    }
}
