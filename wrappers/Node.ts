/** One machine or group of equal GPUs of a provider, with its listing. See docs/contracts/node.md. */
import { Address, beginCell, Cell, contractAddress, ContractProvider, Dictionary, Sender } from '@ton/core';
import * as tact from '../build/Node/Node_Node';
import { listingBounds } from './bounds';
import { toCell } from './cells';
import {
    address,
    ascii,
    bigUint,
    cell,
    checkFields,
    checkKnownFields,
    coins,
    listOf,
    objectWith,
    oneOf,
    optional,
    text,
    uint,
} from './fields';
import { sizeOf } from './prices';
import { messagesOf, stateless, withoutState } from './sending';
import { bytesToNumber, numberToBytes } from './bytes';

const { maxText } = listingBounds;
const MAX_CELL_BYTES = 127;
const MAX_CHAIN = 255; // offers; a contract takes `listingBounds.maxOffers`

export type {
    EndedKey,
    KeyLiability,
    NodeLiability,
    NodeListing,
    NodeState,
    ReportValues,
} from '../build/Node/Node_Node';

/** A node's life: `new` until its Provider starts it, `closed` until anyone clears it. */
export const nodeStates = {
    new: tact.StateNew,
    open: tact.StateOpen,
    closed: tact.StateClosed,
} as const;

/** The attestation tiers, in the order of their numbers on chain. */
export const tiers = ['open', 'testca', 'tdx'] as const;
export type Tier = (typeof tiers)[number];

export interface Hardware {
    gpuClass: number; // 0 to 7, sets the rate of the share
    gpus: number; // below 2^16
    vram: number; // GB per GPU, below 2^16
    model: string; // name of the GPU, ASCII, at most 32 bytes
}

/** Prices in nanoTON per million tokens, each below 2^64. */
export interface Offer {
    model: bigint; // SHA-256 of the model's catalogue id
    prompt: bigint;
    cached: bigint;
    completion: bigint;
    reasoning: bigint;
}

export interface Service {
    region: string; // ASCII, at most 16 bytes
    uptime: number; // promised, basis points
    endpoint: string; // URL, 1 to 100 bytes
}

export interface Attestation {
    tier: Tier;
    certificate: bigint; // hash of the certificate
    expiresAt: number; // unix seconds
}

export interface Listing {
    hardware: Hardware;
    receiptKey: bigint; // Ed25519
    encryptionKey: bigint; // X25519
    service: Service;
    offers: Offer[]; // at most 8, one a model
    attestation?: Attestation;
}

const HARDWARE = { gpuClass: uint(8), gpus: uint(16), vram: uint(16), model: ascii(maxText.model) };
const OFFER = {
    model: bigUint(256),
    ...{ prompt: bigUint(64), cached: bigUint(64), completion: bigUint(64), reasoning: bigUint(64) },
};
const SERVICE = { region: ascii(maxText.region), uptime: uint(16), endpoint: text(MAX_CELL_BYTES) };
const ATTESTATION = { tier: oneOf(tiers), certificate: bigUint(256), expiresAt: uint(32) };
const LISTING = {
    ...{ hardware: objectWith(HARDWARE), receiptKey: bigUint(256), encryptionKey: bigUint(256) },
    ...{ service: objectWith(SERVICE), offers: listOf(objectWith(OFFER), MAX_CHAIN) },
    attestation: optional(objectWith(ATTESTATION)),
};
const KEYS = { receiptKey: bigUint(256), encryptionKey: bigUint(256), oldEndsAt: uint(32) };

/** ASCII from the first byte, then zeros, as the number of `bytes` bytes that the chain keeps. */
export function textToNumber(text: string, bytes: number): bigint {
    if (!/^[\x20-\x7e]*$/.test(text) || text.length > bytes) {
        throw new Error(`Not at most ${bytes} ASCII characters: ${text}`);
    }
    return bytesToNumber(Buffer.from(text.padEnd(bytes, '\0'), 'ascii'));
}

/** The text that {@link textToNumber} made a number of. */
export function numberToText(value: bigint, bytes: number): string {
    return numberToBytes(value, bytes).toString('ascii').replace(/\0+$/, '');
}

/** Chain of offers in ascending order of models; null for none. */
export function offersCell(offers: Offer[]): Cell | null {
    listOf(objectWith(OFFER), MAX_CHAIN)(offers, 'offers');
    const descending = [...offers].sort((a, b) => (a.model < b.model ? 1 : -1));
    return descending.reduce<Cell | null>((next, offer) => {
        const builder = beginCell().storeUint(offer.model, 256).storeUint(offer.prompt, 64).storeUint(offer.cached, 64);
        builder.storeUint(offer.completion, 64).storeUint(offer.reasoning, 64);
        return (next === null ? builder : builder.storeRef(next)).endCell();
    }, null);
}

/** Offers of a chain, in ascending order of models. */
export function parseOffers(cell: Cell | null): Offer[] {
    if (cell === null) {
        return [];
    }
    const slice = cell.beginParse();
    const [model, prompt, cached] = [slice.loadUintBig(256), slice.loadUintBig(64), slice.loadUintBig(64)];
    const offer = { model, prompt, cached, completion: slice.loadUintBig(64), reasoning: slice.loadUintBig(64) };
    return [offer, ...parseOffers(slice.remainingRefs === 0 ? null : slice.loadRef())];
}

export function serviceCell(values: Service): Cell {
    checkKnownFields('Service', SERVICE, values);
    const { region, uptime, endpoint } = values;
    const url = beginCell().storeBuffer(Buffer.from(endpoint, 'utf8')).asSlice();
    const service = {
        $$type: 'Service',
        region: textToNumber(region, maxText.region),
        uptime: BigInt(uptime),
        endpoint: url,
    } as const;
    return toCell(tact.storeService(service));
}

export function parseService(cell: Cell): Service {
    const { region, uptime, endpoint } = tact.loadService(cell.beginParse());
    const url = endpoint.loadBuffer(endpoint.remainingBits / 8).toString('utf8');
    return { region: numberToText(region, maxText.region), uptime: Number(uptime), endpoint: url };
}

export function attestationCell(attestation: Attestation | undefined): Cell | null {
    if (attestation === undefined) {
        return null;
    }
    checkKnownFields('Attestation', ATTESTATION, attestation);
    const { tier, certificate, expiresAt } = attestation;
    const fields = { tier: BigInt(tiers.indexOf(tier)), certificate, expiresAt: BigInt(expiresAt) };
    return toCell(tact.storeAttestation({ $$type: 'Attestation', ...fields }));
}

/** What a Provider's RegisterNode carries besides the code. @throws {InvalidField} */
export function listingCell(listing: Listing): Cell {
    checkFields('Listing', LISTING, listing);
    const { hardware, receiptKey, encryptionKey, service, offers, attestation } = listing;
    return toCell(
        tact.storeListNode({
            $$type: 'ListNode',
            hardware: hardwareFields(hardware),
            receiptKey,
            encryptionKey,
            service: serviceCell(service),
            offers: offersCell(offers),
            attestation: attestationCell(attestation),
        }),
    );
}

/** Changes of a node, for a Provider's ChangeNode and ReplaceHardware. */
export const nodeChanges = {
    /** Replaces all offers; none stops the sale. */
    offers: (offers: Offer[]): Cell => toCell(tact.storeSetOffers({ $$type: 'SetOffers', offers: offersCell(offers) })),
    service: (service: Service): Cell =>
        toCell(tact.storeSetService({ $$type: 'SetService', service: serviceCell(service) })),
    /**
     * Sets new keys and ends the attestation. `oldEndsAt`: unix seconds until which the old receipt key signs, from
     * now to now + 90 days; it signs for at least 120 s.
     */
    keys: (keys: { receiptKey: bigint; encryptionKey: bigint; oldEndsAt: number }): Cell => {
        checkFields('SetKeys', KEYS, keys);
        return toCell(tact.storeSetKeys({ $$type: 'SetKeys', ...keys, oldEndsAt: BigInt(keys.oldEndsAt) }));
    },
    /** Ends a receipt key in 120 s without a successor. */
    endKey: (receiptKey: bigint): Cell => {
        bigUint(256)(receiptKey, 'receiptKey');
        return toCell(tact.storeEndKey({ $$type: 'EndKey', receiptKey }));
    },
    attestation: (attestation?: Attestation): Cell =>
        toCell(tact.storeSetAttestation({ $$type: 'SetAttestation', attestation: attestationCell(attestation) })),
    /** For ReplaceHardware only. */
    hardware: (hardware: Hardware): Cell =>
        toCell(tact.storeSetHardware({ $$type: 'SetHardware', hardware: hardwareFields(hardware) })),
};

function hardwareFields(hardware: Hardware) {
    checkKnownFields('Hardware', HARDWARE, hardware);
    const { gpuClass, gpus, vram, model } = hardware;
    const numbers = { gpuClass: BigInt(gpuClass), gpus: BigInt(gpus), vram: BigInt(vram) };
    return { $$type: 'Hardware', ...numbers, model: textToNumber(model, maxText.model) } as const;
}

/** Hardware out of its storage form. */
export function hardwareOf({ gpuClass, gpus, vram, model }: tact.Hardware): Hardware {
    return {
        ...{ gpuClass: Number(gpuClass), gpus: Number(gpus), vram: Number(vram) },
        model: numberToText(model, maxText.model),
    };
}

// The generated class parses its code at each call, which takes seconds for a fleet of hundreds of nodes.
let nodeCode: Promise<Cell> | undefined;

async function compiledCode(): Promise<Cell> {
    const nobody = new Address(0, Buffer.alloc(32));
    return (await tact.Node.init(nobody, 0n, 0n, 0n, 0n, 0n, 0n, 0n, Dictionary.empty<number, tact.EndedKey>(), null))
        .code;
}

const message = messagesOf<typeof tact.Node>();

export class Node extends stateless(tact.Node) {
    /**
     * Node `number` of a Provider, as it is deployed: new and without a listing. `code`: this release's unless given.
     */
    static async ofProvider(provider: Address, number: number, code?: Cell): Promise<Node> {
        address(provider, 'provider');
        uint(32)(number, 'number');
        const data = beginCell().store(
            tact.storeNode$Data({
                $$type: 'Node$Data',
                provider,
                number: BigInt(number),
                state: nodeStates.new,
                share: 0n,
                gpus: 0n,
                clearAt: 0n,
                receiptKey: 0n,
                encryptionKey: 0n,
                endedKeys: Dictionary.empty<number, tact.EndedKey>(),
                info: null,
            }),
        );
        const init = { code: code ?? (await (nodeCode ??= compiledCode())), data: data.endCell() };
        return new Node(contractAddress(0, init), init);
    }

    /** Pays rent ahead with the whole value. From anyone; the rest goes to the provider's owner when the node ends. */
    async sendRent(provider: ContractProvider, via: Sender, args: { value: bigint }) {
        checkFields('Rent', { value: coins }, args);
        await this.send(provider, via, args, null);
    }

    /**
     * Reports a fault, or demands what was accepted: `report` is one of `reports`. From anyone; `value` at least what
     * `getValuesFor` returns for it; the rest comes back.
     * @throws on chain: ErrMalformed, ErrBadSignature, ErrWrongJob, ErrNoFault, ErrUnknownKey, ErrExpired,
     * ErrTooEarly, ErrNoShare, ErrLowValue, ErrWrongState, ErrNotBasechain
     */
    async sendReport(provider: ContractProvider, via: Sender, args: { value: bigint; report: Cell }) {
        checkFields('Report', { value: coins, report: cell }, args);
        const { value, report } = args;
        await withoutState(provider, this.address).internal(via, { value, body: report });
    }

    /** The values to attach to this report, by class, in nanoTON. */
    async getValuesFor(provider: ContractProvider, report: Cell): Promise<tact.ReportValues> {
        const { cells, bits } = sizeOf(report);
        return this.getReportValues(provider, cells, bits);
    }

    /**
     * Ends the account of a closed node, from `clearAt` on; its reserve goes to the provider's owner. From anyone;
     * `value` at least `getClearValue()`, the rest comes back.
     * @throws on chain: ErrWrongState, ErrTooEarly, ErrLowValue
     */
    readonly sendClear = message('ClearNode');
}
