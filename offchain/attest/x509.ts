/**
 * Checks the certificates and revocation lists of a quote for what the quote package does not check: which certificate
 * may issue which, the issuer of a list, its dates, and that nothing is appended. All signatures are ECDSA on P-256.
 */
import { createHash, verify, X509Certificate } from 'node:crypto';
import { bitsOf, bodyOf, bytesOfBits, Element, inside, naturalOf, row, Tag, timeOf } from './der';

const PEM = /-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END CERTIFICATE-----\n?/y;

const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const KEY_USAGE = Buffer.from('551d0f', 'hex');
const MAY_SIGN_LISTS = 0x02; // cRLSign

/**
 * The certificates of a PEM text. Throws when the text holds anything else, or one is not in its shortest form.
 */
export function pemChain(text: string): X509Certificate[] {
    const chain: X509Certificate[] = [];
    for (let at = 0; at < text.length;) {
        PEM.lastIndex = at;
        const found = PEM.exec(text);
        if (found === null) {
            throw new Error('A certificate chain holds something else');
        }
        const base64 = found[1].replaceAll('\n', '');
        const der = Buffer.from(base64, 'base64');
        const certificate = new X509Certificate(der);
        if (der.toString('base64') !== base64 || !certificate.raw.equals(der)) {
            throw new Error('A certificate has something appended');
        }
        chain.push(certificate);
        at += found[0].length;
    }
    return chain;
}

/** The expected chain: the subject's common name of each certificate, leaf first, and the root's SHA-256. */
export interface Expected {
    names: readonly RegExp[];
    root: Buffer;
}

/**
 * Why this chain does not lead from the expected leaf to the expected root at `now` (unix seconds); undefined when it
 * does.
 */
export function chainRejection(chain: X509Certificate[], { names, root }: Expected, now: number): string | undefined {
    if (chain.length !== names.length) {
        return `a certificate chain has ${chain.length} certificates, not ${names.length}`;
    }
    if (!createHash('sha256').update(chain.at(-1)!.raw).digest().equals(root)) {
        return 'a certificate chain does not end in the pinned root';
    }
    for (const [i, certificate] of chain.entries()) {
        const issuer = chain[i + 1] ?? certificate; // the root is its own
        const common = certificate.subject.split('\n').find((line) => line.startsWith('CN='));
        if (!names[i].test(common?.slice(3) ?? '')) {
            return 'a certificate is for another purpose';
        }
        if (certificate.ca !== i > 0) {
            return i > 0 ? 'an issuer is no authority' : 'a leaf certificate is an authority';
        }
        const [from, until] = validityOf(certificate);
        if (from > now || until < now) {
            return 'a certificate is not valid now';
        }
        if (certificate.publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
            return 'a certificate has another kind of key';
        }
        if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
            return 'a certificate was not issued by the next one';
        }
    }
    return undefined;
}

/**
 * The fields of a certificate's signed part, version first. Throws when certificate or signature are not in DER.
 */
function fieldsOf(certificate: X509Certificate): Element[] {
    const [signed, algorithm, signature, ...more] = inside(certificate.raw, Tag.Sequence);
    const fields = row(bodyOf(signed, Tag.Sequence));
    bytesOfBits(signature);
    naturalOf(fields[1]);
    if (more.length > 0 || !algorithm.whole.equals(ECDSA_SHA256) || !fields[2].whole.equals(ECDSA_SHA256)) {
        throw new Error('A certificate has another algorithm, or something appended');
    }
    return fields;
}

/** Unix seconds from and until which a certificate is valid. */
function validityOf(certificate: X509Certificate): number[] {
    const [from, until, ...more] = row(bodyOf(fieldsOf(certificate)[4], Tag.Sequence));
    if (more.length > 0) {
        throw new Error('A certificate has a validity in another form');
    }
    return [timeOf(from), timeOf(until)];
}

/** The value of the certificate's extension of this identifier; undefined when it has none. Throws when it has two. */
export function extensionOf(certificate: X509Certificate, oid: Buffer): Buffer | undefined {
    const extensions = fieldsOf(certificate).find(({ tag }) => tag === 0xa3);
    const all = extensions === undefined ? [] : inside(extensions.body, Tag.Sequence);
    const found = all.map(extension).filter(({ id }) => id.equals(oid));
    if (found.length > 1) {
        throw new Error('A certificate has an extension twice');
    }
    return found[0]?.value;
}

function extension(element: Element): { id: Buffer; critical: boolean; value: Buffer } {
    const parts = row(bodyOf(element, Tag.Sequence));
    const [id, value] = [bodyOf(parts.shift(), Tag.Oid), bodyOf(parts.pop(), Tag.OctetString)];
    const [critical, ...more] = parts;
    // DER leaves out a "false", and has one form of "true".
    if (more.length > 0 || (critical !== undefined && !bodyOf(critical, Tag.Boolean).equals(Buffer.of(0xff)))) {
        throw new Error('An extension is in another form');
    }
    return { id, critical: critical !== undefined, value };
}

function maySignLists(certificate: X509Certificate): boolean {
    const usage = extensionOf(certificate, KEY_USAGE);
    const [bits, ...more] = usage === undefined ? [] : row(usage);
    return bits !== undefined && more.length === 0 && ((bitsOf(bits).bytes[0] ?? 0) & MAY_SIGN_LISTS) !== 0;
}

/** A parsed revocation list. */
export interface RevocationList {
    signed: Buffer;
    signature: Buffer;
    issuer: Buffer; // DER of the name
    from: number; // unix seconds
    until: number; // unix seconds
    serials: Buffer[];
}

/** Parses a revocation list in DER. Throws when it is malformed, has no end date, or has a critical extension. */
export function revocationList(der: Buffer): RevocationList {
    const [list, algorithm, signature, ...more] = inside(der, Tag.Sequence);
    const [version, inner, issuer, from, until, ...rest] = row(bodyOf(list, Tag.Sequence));
    const isKnown = version.tag === Tag.Integer && version.body.equals(Buffer.of(1)) && more.length === 0;
    if (!isKnown || !algorithm.whole.equals(ECDSA_SHA256) || !inner.whole.equals(ECDSA_SHA256)) {
        throw new Error('A revocation list has another version or another algorithm');
    }
    const entries = rest[0]?.tag === Tag.Sequence ? rest.shift()! : undefined;
    const extensions = rest[0]?.tag === 0xa0 ? inside(rest.shift()!.body, Tag.Sequence) : [];
    if (rest.length > 0 || extensions.some((element) => extension(element).critical)) {
        throw new Error('A revocation list has a critical extension, or something appended');
    }
    return {
        signed: list.whole,
        signature: bytesOfBits(signature),
        issuer: issuer.whole,
        from: timeOf(from),
        until: timeOf(until),
        serials: entries === undefined ? [] : row(entries.body).map(revokedSerial),
    };
}

function revokedSerial(entry: Element): Buffer {
    const [serial, at, extensions, ...more] = row(bodyOf(entry, Tag.Sequence));
    if (at === undefined || more.length > 0) {
        throw new Error('A revocation list has an entry in another form');
    }
    timeOf(at);
    // The reason of the revocation is not needed.
    row(extensions === undefined ? Buffer.alloc(0) : bodyOf(extensions, Tag.Sequence)).map(extension);
    return naturalOf(serial);
}

/** Why this list does not prove that `issuer` has revoked none of `issued`; undefined when it does. */
export function revocationRejection(
    list: RevocationList,
    issuer: X509Certificate,
    issued: X509Certificate[],
    now: number, // unix seconds
): string | undefined {
    const [, , , , , subject] = fieldsOf(issuer);
    if (!list.issuer.equals(subject.whole) || !maySignLists(issuer)) {
        return 'a revocation list is of another authority';
    }
    if (!verify('sha256', list.signed, issuer.publicKey, list.signature)) {
        return 'a revocation list is not signed by its authority';
    }
    if (list.from > now || list.until < now) {
        return 'a revocation list is not current';
    }
    const revoked = issued.some((certificate) =>
        list.serials.some((serial) => serial.equals(fieldsOf(certificate)[1].body)),
    );
    return revoked ? 'a certificate is revoked' : undefined;
}
