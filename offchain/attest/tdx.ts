/**
 * Checks quotes of Intel TDX. The package checks signatures and TCB levels. It accepts unsigned lists, issuers that are
 * no authority, certificates for another purpose, and appended bytes. So its inputs are checked here first, and the
 * parts that it ignores (the TDX module, the PCE) afterwards. Nothing is fetched: the node brings the collateral, which
 * Intel has signed and dated.
 */
import { createHash, createPublicKey, KeyObject, verify, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { AttestationProof } from '../link';
import { hex } from '../process/fields';
import { bodyOf, inside, row, Tag } from './der';
import { AttestedKeys, reportData } from './keys';
import { Quote, readQuote } from './quote';
import { chainRejection, extensionOf, pemChain, revocationRejection, revocationList } from './x509';

type TdxAttestation = Extract<AttestationProof, { tier: 'tdx' }>;

/** Which TDX machines a client accepts. */
export interface TdxPolicy {
    measurements: readonly Buffer[]; // allowed images, 48 bytes each, see Quote
    tcbStatuses: readonly string[];
    tdxRoot?: Buffer; // SHA-256 of the root certificate; default Intel's
}

/** The shortcoming of a quote that was made for other keys or another node. */
export const UNBOUND = 'the quote does not bind these keys';

/** Maximal seconds of an attestation's life, which is how long a machine with a new weakness stays trusted. */
export const MAX_TDX_LIFETIME = 48 * 3600;

/** SHA-256 of the Intel SGX Root CA's certificate. */
const INTEL_ROOT = Buffer.from('44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3', 'hex');

const ROOT = /^Intel SGX Root CA$/;
const PCK = [/^Intel SGX PCK Certificate$/, /^Intel SGX PCK (Platform|Processor) CA$/, ROOT];
const TCB = [/^Intel SGX TCB Signing$/, ROOT];

const SGX_EXTENSION = Buffer.from('2a864886f84d010d01', 'hex');
const PCE_ID = Buffer.from('2a864886f84d010d0103', 'hex');

const moduleLevels = z.array(z.object({ tcb: z.object({ isvsvn: z.number().int() }), tcbStatus: z.string() }));
const bytesOf = (length: number) => z.string().toLowerCase().pipe(hex(length));
const tdxModule = z.object({ mrsigner: bytesOf(48), attributes: bytesOf(8), attributesMask: bytesOf(8) });
const dates = { issueDate: z.iso.datetime(), nextUpdate: z.iso.datetime() };
const tcbInfo = z.object({
    id: z.literal('TDX'),
    version: z.number().int().min(3),
    ...dates,
    pceId: bytesOf(2),
    tdxModule,
    tdxModuleIdentities: z.array(tdxModule.extend({ id: z.string(), tcbLevels: moduleLevels })).optional(),
});
const qeIdentity = z.object({ id: z.literal('TD_QE'), ...dates });

/**
 * Why this attestation does not prove that the keys are in an allowed image on a sound machine; undefined when it does.
 */
export function tdxRejection(
    attestation: TdxAttestation,
    keys: AttestedKeys,
    policy: TdxPolicy,
    now: number, // unix seconds
): string | undefined {
    if (attestation.expiry > now + MAX_TDX_LIFETIME) {
        return `the attestation lasts longer than ${MAX_TDX_LIFETIME} s`;
    }
    try {
        const quote = readQuote(attestation.quote);
        return (
            bindingRejection(quote, reportData(keys, attestation.expiry), policy) ??
            collateralRejection(attestation, quote, policy, now) ??
            packageRejection(attestation, quote, policy, now) ??
            machineRejection(attestation, quote, policy, now)
        );
    } catch (error) {
        // The text may come from the maker of the quote, so it is cleaned.
        return `the quote is refused: ${(error as Error).message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 100)}`;
    }
}

function bindingRejection(quote: Quote, expected: Buffer, { measurements }: TdxPolicy): string | undefined {
    if (quote.attributes[0] !== 0) {
        return 'the guest can be debugged';
    }
    if (!quote.reportData.equals(expected)) {
        return UNBOUND;
    }
    return measurements.some((allowed) => allowed.equals(quote.measurement))
        ? undefined
        : 'the measurement is not an allowed image';
}

function collateralRejection(
    { collateral }: TdxAttestation,
    quote: Quote,
    policy: TdxPolicy,
    now: number,
): string | undefined {
    const root = policy.tdxRoot ?? INTEL_ROOT;
    const pck = pemChain(quote.chain);
    const tcb = pemChain(collateral.tcbInfoChain);
    const qe = pemChain(collateral.qeIdentityChain);
    const rejection =
        chainRejection(pck, { names: PCK, root }, now) ??
        chainRejection(tcb, { names: TCB, root }, now) ??
        chainRejection(qe, { names: TCB, root }, now) ??
        signatureRejection(quote, pck[0].publicKey);
    if (rejection !== undefined) {
        return rejection;
    }
    const [machine, authority, anchor] = pck;
    const { tcbInfo: info, tcbInfoSignature, qeIdentity: identity, qeIdentitySignature } = collateral;
    if (!isSigned(tcb[0].publicKey, Buffer.from(info), tcbInfoSignature)) {
        return 'the quote is refused: Signature is invalid for tcb_info';
    }
    if (!isSigned(qe[0].publicKey, Buffer.from(identity), qeIdentitySignature)) {
        return 'the quote is refused: Signature is invalid for qe_identity';
    }
    const byRoot = [authority, anchor, tcb[0], qe[0]];
    return (
        revocationRejection(revocationList(collateral.rootCrl), anchor, byRoot, now) ??
        revocationRejection(revocationList(collateral.pckCrl), authority, [machine], now)
    );
}

// The package checks the same again, a hundred times slower, so quotes of strangers are refused before that.
function isSigned(key: KeyObject, text: Buffer, signature: Buffer): boolean {
    return verify('sha256', text, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** Why the machine's key does not certify this quote; undefined when it does. */
function signatureRejection({ signatures: of }: Quote, machine: KeyObject): string | undefined {
    if (!isSigned(machine, of.enclaveReport, of.enclaveSignature)) {
        return 'the quoting enclave is not signed by the machine';
    }
    const hash = createHash('sha256').update(of.key).update(of.enclaveData).digest();
    if (!of.enclaveReport.subarray(320, 352).equals(hash)) {
        return 'the quote is refused: QE report hash mismatch';
    }
    const [x, y] = [of.key.subarray(0, 32), of.key.subarray(32)].map((half) => half.toString('base64url'));
    const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
    return isSigned(key, of.signed, of.signature) ? undefined : 'the quote is not signed by its enclave';
}

function packageRejection(
    { quote: bytes, collateral }: TdxAttestation,
    quote: Quote,
    { tcbStatuses }: TdxPolicy,
    now: number,
): string | undefined {
    const anchor = pemChain(quote.chain).at(-1)!;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- takes longer than the rest of a gateway's start
    const { QuoteVerifier } = require('@phala/dcap-qvl') as typeof import('@phala/dcap-qvl');
    const { status } = QuoteVerifier.newWithRootCa(anchor.raw).verify(
        bytes,
        {
            pck_crl_issuer_chain: '',
            root_ca_crl: collateral.rootCrl.toString('hex'),
            pck_crl: collateral.pckCrl.toString('hex'),
            tcb_info_issuer_chain: collateral.tcbInfoChain,
            tcb_info: collateral.tcbInfo,
            tcb_info_signature: collateral.tcbInfoSignature.toString('hex'),
            qe_identity_issuer_chain: collateral.qeIdentityChain,
            qe_identity: collateral.qeIdentity,
            qe_identity_signature: collateral.qeIdentitySignature.toString('hex'),
        },
        now,
    );
    return statusRejection(status, tcbStatuses);
}

function statusRejection(status: string, allowed: readonly string[]): string | undefined {
    return allowed.includes(status) ? undefined : `the machine's TCB is ${status}, allowed is ${allowed.join(', ')}`;
}

// Runs after the package, which has compared these texts with the quote.
function machineRejection(
    { collateral }: TdxAttestation,
    quote: Quote,
    { tcbStatuses }: TdxPolicy,
    now: number,
): string | undefined {
    const info = tcbInfo.safeParse(JSON.parse(collateral.tcbInfo)).data;
    const enclave = qeIdentity.safeParse(JSON.parse(collateral.qeIdentity)).data;
    if (info === undefined || enclave === undefined) {
        return 'the collateral is in an unknown form';
    }
    for (const { issueDate, nextUpdate } of [info, enclave]) {
        if (Date.parse(issueDate) > now * 1000 || Date.parse(nextUpdate) < now * 1000) {
            return 'the collateral is not current';
        }
    }
    if (!pceIdOf(pemChain(quote.chain)[0]).equals(info.pceId)) {
        return 'the TCB info is of another PCE';
    }
    const [svn, version] = quote.tcbSvn;
    const name = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`;
    const identity = info.tdxModuleIdentities?.find(({ id }) => id === name);
    if (version > 0 && identity === undefined) {
        return 'the TDX module is unknown to Intel';
    }
    const { mrsigner, attributes, attributesMask } = (version > 0 && identity) || info.tdxModule;
    const masked = quote.seamAttributes.map((byte, i) => byte & attributesMask[i]);
    if (!quote.signerSeam.equals(mrsigner) || !Buffer.from(masked).equals(attributes)) {
        return 'the TDX module is not one that Intel signed';
    }
    if (version === 0) {
        return undefined; // its level is one of the machine's
    }
    const level = identity!.tcbLevels.find(({ tcb }) => tcb.isvsvn <= svn);
    return statusRejection(level?.tcbStatus ?? 'unknown', tcbStatuses);
}

function pceIdOf(machine: X509Certificate): Buffer {
    const extension = extensionOf(machine, SGX_EXTENSION);
    const entries = extension === undefined ? [] : inside(extension, Tag.Sequence);
    const found = entries
        .map((entry) => row(bodyOf(entry, Tag.Sequence)))
        .filter(([oid]) => bodyOf(oid, Tag.Oid).equals(PCE_ID));
    if (found.length !== 1 || found[0].length !== 2) {
        throw new Error("The machine's certificate does not name one PCE");
    }
    return bodyOf(found[0][1], Tag.OctetString);
}
