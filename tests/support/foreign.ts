/** Node code of another author that a provider follows, and what its nodes may say to it. */
import { Address, beginCell, Builder, Cell, contractAddress, toNano } from '@ton/core';
import { SendMessageResult } from '@ton/sandbox';

import { faultClasses, FaultClass } from '../../wrappers/faults';
import {
    Fault,
    storeCaseRules,
    storeFault,
    storeFaultClaim,
    storeFaultFound,
    storeFaultParties,
    storeShareFreed,
    storeShareReleased,
    storeShareSlashed,
} from '../../wrappers/bodies';
import { Foreign } from '../../wrappers/Foreign';
import { listingCell, Node } from '../../wrappers/Node';
import { registryChanges } from '../../wrappers/Registry';
import { expectConserved } from './chain';
import { CHANGE_DELAY, listingWith, Market, NodeMarket } from './stake';

const VALUE = toNano('3');
const QUERY = { queryId: 0n };

export interface ForeignNode {
    address: Address;
    number: number;
    version: number;
}

const cell = (write: (builder: Builder) => void): Cell => beginCell().store(write).endCell();

/** The registry names this code of nodes, and the provider follows it; resolves to its version. */
export async function adoptCode(market: NodeMarket, code: Cell): Promise<void> {
    const { blockchain, registry, governor, provider, owner } = market;
    const via = governor.getSender();
    await registry.sendProposeChange(via, { value: VALUE, change: registryChanges.code('node', code) });
    blockchain.now! += CHANGE_DELAY;
    await registry.sendExecuteChange(via, { value: VALUE });
    await provider.sendAdopt(owner.getSender(), { value: VALUE });
}

export async function foreignCode({ owner }: Market): Promise<Cell> {
    return (await Foreign.fromInit(owner.address, 0n)).init!.code;
}

/** The foreign node of this number, whoever deploys it. */
export async function foreignOf(
    market: NodeMarket,
    number: number,
    version = 1,
): Promise<ForeignNode & { init: Init }> {
    const { data } = (await Node.ofProvider(market.provider.address, number)).init!;
    const init = { code: await foreignCode(market), data };
    return { address: contractAddress(0, init), number, version, init };
}

type Init = { code: Cell; data: Cell };

/** The provider's next node, of the foreign code, with so many GPUs. */
export async function registerForeign(market: NodeMarket, gpus = 1): Promise<ForeignNode> {
    const { provider, owner } = market;
    const number = Number((await provider.getProviderState()).nextNumber);
    const listing = listingCell(listingWith({ hardware: { ...listingWith().hardware, gpus } }));
    const body = { value: VALUE, code: await foreignCode(market), listing };
    await provider.sendRegisterNode(owner.getSender(), body);
    return foreignOf(market, number);
}

/** Has the foreign node say this to its provider. */
export function say(market: NodeMarket, node: ForeignNode, body: Cell, value = VALUE): Promise<SendMessageResult> {
    return expectConserved(market.blockchain, () => market.stranger.send({ to: node.address, value, body }));
}

/** Messages of a foreign node; whatever they name pays the stranger. */
export const sayings = ({ stranger, codes }: NodeMarket, node: ForeignNode) => {
    const named = { number: BigInt(node.number), codeVersion: BigInt(node.version) };
    const me = BigInt(`0x${stranger.address.hash.toString('hex')}`);
    const rules = cell(
        storeCaseRules({
            $$type: 'CaseRules',
            version: 1n,
            response: 0n,
            verdict: 0n,
            insurance: stranger.address,
            owner: stranger.address,
            committee: Cell.EMPTY,
        }),
    );
    const faultOf = (
        faultClass: FaultClass,
        overrides: Partial<Fault> & { node?: number; nodeVersion?: number } = {},
    ) => {
        const { node: number = node.number, nodeVersion = node.version, ...fields } = overrides;
        const parties = {
            victim: me,
            key: 1n << 255n,
            keySerial: 1n,
            payout: me,
            node: BigInt(number),
            nodeVersion: BigInt(nodeVersion),
        };
        const claim = { about: 0n, voucherKey: 0n, channel: 0n, firstPiece: 0n, maxBasisPoints: 500n };
        return cell(
            storeFault({
                $$type: 'Fault',
                faultClass: BigInt(faultClasses[faultClass].number),
                job: 1n,
                query: 0n,
                date: 0xffffffffn,
                amount: toNano('1000'),
                loss: toNano('1000'),
                bond: 0n,
                basis: toNano('1000'),
                rent: 0n,
                reporter: stranger.address,
                parties: cell(storeFaultParties({ $$type: 'FaultParties', ...parties })),
                claim: cell(storeFaultClaim({ $$type: 'FaultClaim', ...claim })),
                ...fields,
            }),
        );
    };
    return {
        taken: (amount: bigint, faultClass: FaultClass = 'A2') =>
            cell(
                storeShareSlashed({
                    $$type: 'ShareSlashed',
                    ...QUERY,
                    ...named,
                    frozen: toNano('1000'),
                    amount,
                    excessTo: stranger.address,
                    fault: faultOf(faultClass),
                    rules,
                }),
            ),
        released: (frozen = toNano('1000')) =>
            cell(
                storeShareReleased({ $$type: 'ShareReleased', ...QUERY, ...named, frozen, excessTo: stranger.address }),
            ),
        freed: (share: bigint, gpus = 99, closed = true, what: Cell | null = null) =>
            cell(
                storeShareFreed({
                    $$type: 'ShareFreed',
                    ...QUERY,
                    ...named,
                    ...{ share, gpus: BigInt(gpus), closed, content: what },
                    excessTo: stranger.address,
                }),
            ),
        found: (
            faultClass: FaultClass,
            frozen: bigint,
            overrides: Partial<Fault> & { node?: number; nodeVersion?: number } = {},
        ) =>
            cell(
                storeFaultFound({
                    $$type: 'FaultFound',
                    ...QUERY,
                    ...named,
                    frozen,
                    fault: faultOf(faultClass, overrides),
                    code: codes.dispute,
                }),
            ),
    };
};
