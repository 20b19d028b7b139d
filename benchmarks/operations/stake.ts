/** What owners, operators, clients and the governor do with Registry, Providers and Nodes. */
import { Address, Cell, toNano } from '@ton/core';
import { SandboxContract, SendMessageResult } from '@ton/sandbox';
import { Listing, listingCell, Node, nodeChanges } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { Registry, registryChanges } from '../../wrappers/Registry';
import { PriceLevel } from '../../tests/support/chain';
import {
    CATALOGUE,
    CHANGE_DELAY,
    committeeOf,
    DAY,
    HOUR,
    keyOf,
    listingWith,
    modelOf,
    NodeMarket,
    nodeMarket,
    rulesWith,
    STAKE,
    Wallet,
} from '../../tests/support/stake';
import { walletOf } from '../../tests/support/wallet';
import { Floor } from '../floors';
import { Cast, Move } from '../meter';
import { Operation, Operations, rentOfYear } from './operation';

export interface StakeStage {
    market: NodeMarket;
    cast: Cast;
    newcomer: Wallet;
}

const VALUE = toNano('1'); // where no getter names less; what is not used comes back
const AMOUNT = toNano('5');

/** A launched registry, a joined provider with one node, all by v5 wallets. */
export async function stakeStage(prices: PriceLevel): Promise<StakeStage> {
    const market = await nodeMarket({ prices, wallets: 'v5' });
    const { blockchain, registry, provider, node } = market;
    const newcomer = await walletOf(blockchain, 'newcomer', 'v5');
    const { governor, owner, operator, payout, stranger, insurance } = market;
    const wallets = Object.entries({ governor, owner, operator, payout, stranger, insurance, newcomer });
    const cast = {
        blockchain,
        wallets: new Map(wallets.map(([name, { address }]) => [address.toRawString(), name])),
        contracts: new Map([
            [registry.address.toRawString(), 'registry'],
            [provider.address.toRawString(), 'provider'],
            [node.address.toRawString(), 'node'],
        ]),
        others: 'new account',
    };
    return { market, cast, newcomer };
}

/** A step that is one message, prepared by nothing. */
function message(
    title: string,
    floor: Floor[],
    send: (market: NodeMarket) => Promise<SendMessageResult>,
    moves: (market: NodeMarket) => Move[] = () => [],
): Operation<StakeStage> {
    return {
        title,
        floor,
        prepare:
            async ({ market }) =>
            async () => ({ results: [await send(market)], moves: moves(market) }),
    };
}

/** A change of the node by its owner, at the value that the provider asks for. */
function change(title: string, cellOf: (market: NodeMarket) => Cell): Operation<StakeStage> {
    return {
        title,
        floor: ['Send', 'Save', 'Announce'],
        prepare: async ({ market: { provider, owner }, market }) => {
            const cell = cellOf(market);
            const value = await provider.getChangeNodeValue(cell);
            const args = { value, number: 0, change: cell };
            return async () => ({ results: [await provider.sendChangeNode(owner.getSender(), args)] });
        },
    };
}

const fullListing = (now: number): Listing =>
    listingWith({ offers: offersOf(8), attestation: { tier: 'tdx', certificate: 1n, expiresAt: now + DAY } });

const offersOf = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...listingWith().offers[0], model: modelOf(`${i}`) }));

function registering(title: string, listingOf: (now: number) => Listing): Operation<StakeStage> {
    return {
        title,
        floor: ['Deploy', 'Save', 'Announce'],
        prepare: async ({ market: { provider, owner, codes, blockchain } }) => {
            const body = { code: codes.node, listing: listingCell(listingOf(blockchain.now!)) };
            const value = await provider.getRegisterNodeValue(body);
            return async () => ({ results: [await provider.sendRegisterNode(owner.getSender(), { value, ...body })] });
        },
    };
}

const rulesChange = ({ insurance }: NodeMarket) =>
    registryChanges.rules(rulesWith(insurance.address, { baseStake: toNano('60') }));

const proposed = async (market: NodeMarket) =>
    market.registry.sendProposeChange(market.governor.getSender(), { value: VALUE, change: rulesChange(market) });

const unbonding = async ({ provider, owner }: NodeMarket) =>
    provider.sendUnbond(owner.getSender(), { value: VALUE, amount: AMOUNT });

/** The same operation after another message. */
function afterwards(
    first: (market: NodeMarket) => Promise<unknown>,
    operation: Operation<StakeStage>,
    wait = 0,
): Operation<StakeStage> {
    return {
        ...operation,
        prepare: async (stage) => {
            await first(stage.market);
            stage.market.blockchain.now! += wait;
            return operation.prepare(stage);
        },
    };
}

const moved = (from: { address: Address }, to: { address: Address }, amount: bigint): Move[] => [
    { from: from.address, to: to.address, amount },
];

const openedNode = async ({ blockchain, provider, owner }: NodeMarket): Promise<SandboxContract<Node>> => {
    await provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });
    return blockchain.openContract(await Node.ofProvider(provider.address, 0));
};

export const registrations: Operations<StakeStage> = {
    join: {
        floor: ['Save', 'Announce', 'Save'],
        title: 'register a provider',
        prepare: async ({ market, newcomer }) => {
            const { blockchain, registry, operator, payout } = market;
            const provider = blockchain.openContract(await Provider.ofOwner(registry.address, newcomer.address));
            const value = STAKE + (await registry.getJoinValue());
            const args = { value, stake: STAKE, payout: payout.address, operator: operator.address };
            const moves = moved(newcomer, provider, STAKE);
            return async () => ({ results: [await provider.sendJoin(newcomer.getSender(), args)], moves });
        },
    },
    registerNode: registering('register a node with one offer', () => listingWith()),
    registerFullNode: registering('register a node with eight offers', fullListing),
    changePrice: change('change a price', () => nodeChanges.offers([{ ...listingWith().offers[0], completion: 500n }])),
    changeEightPrices: change('change eight prices', () => nodeChanges.offers(offersOf(8))),
    changeService: change('change region, uptime or endpoint', () => nodeChanges.service(listingWith().service)),
    rotateKeys: change('rotate keys', ({ blockchain }) =>
        nodeChanges.keys({ receiptKey: keyOf('next'), encryptionKey: 9n, oldEndsAt: blockchain.now! + HOUR }),
    ),
    endKey: change('end a key', () => nodeChanges.endKey(keyOf('receipt'))),
    attest: change('show an attestation', ({ blockchain }) =>
        nodeChanges.attestation({ tier: 'tdx', certificate: 1n, expiresAt: blockchain.now! + DAY }),
    ),
    replaceHardware: {
        floor: ['Save', 'Save', 'Save', 'Announce'],
        title: 'replace hardware',
        prepare: async ({ market: { provider, owner, node } }) => {
            const change = nodeChanges.hardware({ ...listingWith().hardware, gpus: 3 });
            const { share } = await node.getNodeState();
            const value = await provider.getReplaceHardwareValue(change);
            const args = { value, number: 0, share, gpus: 2, change };
            return async () => ({ results: [await provider.sendReplaceHardware(owner.getSender(), args)] });
        },
    },
    closeNode: message('close a node', ['Save', 'Save', 'Save', 'Announce'], ({ provider, owner }) =>
        provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 }),
    ),
    clearNode: {
        floor: ['Refund'],
        title: 'clear a closed node',
        prepare: async ({ market }) => {
            const node = await openedNode(market);
            market.blockchain.now! += 336 * HOUR;
            const value = await node.getClearValue();
            return async () => ({ results: [await node.sendClear(market.stranger.getSender(), { value })] });
        },
    },
};

export const stakes: Operations<StakeStage> = {
    addStake: message(
        'add stake',
        ['Save'],
        ({ provider, owner }) => provider.sendAddStake(owner.getSender(), { value: AMOUNT + VALUE, amount: AMOUNT }),
        ({ owner, provider }) => moved(owner, provider, AMOUNT),
    ),
    unbond: message('unbond stake', ['Save'], unbonding),
    cancelUnbonding: afterwards(
        unbonding,
        message('cancel an unbonding', ['Save'], ({ provider, owner }) =>
            provider.sendCancelUnbonding(owner.getSender(), { value: VALUE, slot: 0 }),
        ),
    ),
    withdrawStake: afterwards(
        unbonding,
        message(
            'withdraw stake',
            ['Save'],
            ({ provider, owner }) => provider.sendWithdrawStake(owner.getSender(), { value: VALUE, slot: 0 }),
            ({ provider, owner }) => moved(provider, owner, AMOUNT),
        ),
        336 * HOUR,
    ),
    withdrawSurplus: message('withdraw a surplus', ['Send'], ({ provider, owner }) =>
        provider.sendWithdrawSurplus(owner.getSender(), { value: VALUE }),
    ),
    setOperator: message('name an operator', ['Save'], ({ provider, owner, stranger }) =>
        provider.sendSetOperator(owner.getSender(), { value: VALUE, operator: stranger.address }),
    ),
    setPayout: message('name a payout', ['Save'], ({ provider, owner, stranger }) =>
        provider.sendSetPayout(owner.getSender(), { value: VALUE, payout: stranger.address }),
    ),
    adopt: message('follow the newest rules', ['Send', 'Send', 'Save'], ({ provider, owner }) =>
        provider.sendAdopt(owner.getSender(), { value: VALUE }),
    ),
};

export const governance: Operations<StakeStage> = {
    launch: {
        floor: ['Save'],
        title: 'launch a registry',
        prepare: async ({ market: { blockchain, insurance, codes }, newcomer }) => {
            const registry = blockchain.openContract(await Registry.ofGovernor(newcomer.address, CHANGE_DELAY));
            await registry.sendTopUp(newcomer.getSender(), { value: VALUE, opens: true });
            const rules = rulesWith(insurance.address);
            const launch = { value: VALUE, rules, committee: committeeOf(9, 6), codes, catalogue: CATALOGUE };
            return async () => ({ results: [await registry.sendLaunch(newcomer.getSender(), launch)] });
        },
    },
    proposeChange: message('propose new rules', ['Tell'], proposed),
    executeChange: afterwards(
        proposed,
        message('execute a change of rules', ['Tell'], ({ registry, stranger }) =>
            registry.sendExecuteChange(stranger.getSender(), { value: VALUE }),
        ),
        CHANGE_DELAY,
    ),
    cancelChange: afterwards(
        proposed,
        message('cancel a change', ['Tell'], ({ registry, governor }) =>
            registry.sendCancelChange(governor.getSender(), { value: VALUE }),
        ),
    ),
    setPaused: message('pause new work', ['Tell'], ({ registry, governor }) =>
        registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true }),
    ),
    setCatalogue: message('name a catalogue', ['Tell'], ({ registry, governor }) =>
        registry.sendSetCatalogue(governor.getSender(), { value: VALUE, catalogue: CATALOGUE + 1n }),
    ),
    proposeGovernor: message('propose a governor', ['Save'], ({ registry, governor, stranger }) =>
        registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: stranger.address }),
    ),
    acceptGovernor: afterwards(
        ({ registry, governor, stranger }) =>
            registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: stranger.address }),
        message("accept the governor's office", ['Tell'], ({ registry, stranger }) =>
            registry.sendAcceptGovernor(stranger.getSender(), { value: VALUE }),
        ),
    ),
    topUpRegistry: message(
        "pay a registry's rent ahead",
        ['Take'],
        ({ registry, stranger }) => registry.sendTopUp(stranger.getSender(), { value: VALUE }),
        ({ registry, stranger }) => moved(stranger, registry, VALUE),
    ),
    announceDemand: {
        floor: ['Event'],
        title: 'announce demand',
        prepare: async ({ market: { registry, stranger, blockchain } }) => {
            const value = await registry.getAnnounceDemandValue(false);
            const demand = { value, model: modelOf('a'), queriesPerDay: 1000, endsAt: blockchain.now! + DAY };
            return async () => ({ results: [await registry.sendAnnounceDemand(stranger.getSender(), demand)] });
        },
    },
};

/** nanoTON of rent that a node with one offer comes to in a year. */
export async function rentOfNode({ market, cast }: StakeStage): Promise<bigint> {
    return rentOfYear(cast, market.owner, market.node);
}
