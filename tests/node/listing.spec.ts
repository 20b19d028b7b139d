import { beginCell, Cell, toNano } from '@ton/core';

import { listingCell, Node, nodeChanges, nodeStates, parseOffers, parseService } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { expectRefused } from '../support/chain';
import {
    changeNode,
    DAY,
    expectSolvent,
    joinedMarket,
    keyOf,
    listingWith,
    modelOf,
    nodeMarket,
    registerNode,
} from '../support/stake';

const VALUE = toNano('1');
const SERVICE = listingWith().service;

function offers(count: number) {
    return Array.from({ length: count }, (_, index) => ({
        ...listingWith().offers[0],
        model: modelOf(`model ${index}`),
    }));
}

function setOffers(chain: Cell | null): Cell {
    return beginCell().storeUint(0xc0c00311, 32).storeMaybeRef(chain).endCell();
}

function setService(cell: Cell): Cell {
    return beginCell().storeUint(0xc0c00312, 32).storeRef(cell).endCell();
}

function rawService({ uptime = 9900, endpoint = Buffer.from('https://a'), bits = 0, refs = 0 }) {
    const builder = beginCell().storeUint(0, 128).storeUint(uptime, 16).storeBuffer(endpoint).storeUint(0, bits);
    return (refs === 0 ? builder : builder.storeRef(Cell.EMPTY)).endCell();
}

describe('Node: StartNode', () => {
    it('keeps the listing as it was given', async () => {
        const { blockchain, ...rest } = await joinedMarket();
        const market = { blockchain, ...rest };
        const attestation = { tier: 'tdx', certificate: 5n, expiresAt: blockchain.now! + DAY } as const;
        const listing = listingWith({ offers: offers(8), attestation });

        const { node } = await registerNode(market, { listing });

        const kept = await node.getNodeListing();
        const sorted = [...listing.offers].sort((a, b) => (a.model < b.model ? -1 : 1));
        expect(kept).toMatchObject({ gpuClass: 0n, gpus: 2n, vram: 80n, tier: 2n, certificate: 5n });
        expect(parseOffers(kept.offers)).toEqual(sorted);
        expect(parseService(kept.service)).toEqual(listing.service);
        const { receiptKey, encryptionKey } = await node.getNodeState();
        expect([receiptKey, encryptionKey]).toEqual([listing.receiptKey, listing.encryptionKey]);
    });

    it('refuses weak keys, an encryption key of 0 and what is out of bounds', async () => {
        const market = await joinedMarket();
        const one = 1n << 248n;
        const cases: [Cell, number][] = [
            [listingCell(listingWith({ receiptKey: 0n })), errors.ErrWeakKey],
            [listingCell(listingWith({ receiptKey: one })), errors.ErrWeakKey],
            [listingCell(listingWith({ receiptKey: one | 0x80n })), errors.ErrWeakKey],
            [listingCell(listingWith({ encryptionKey: 0n })), errors.ErrWeakKey],
            [listingCell(listingWith({ offers: offers(9) })), errors.ErrWrongOffers],
            [listingCell(listingWith({ service: { ...SERVICE, endpoint: '' } })), errors.ErrWrongService],
            [
                listingCell(
                    listingWith({ attestation: { tier: 'tdx', certificate: 1n, expiresAt: market.blockchain.now! } }),
                ),
                errors.ErrWrongAttestation,
            ],
        ];

        for (const [index, [listing, exitCode]] of cases.entries()) {
            const body = { value: VALUE, code: market.codes.node, listing };
            const result = await market.provider.sendRegisterNode(market.owner.getSender(), body);
            expectRefused(result, { to: (await Node.ofProvider(market.provider.address, index)).address, exitCode });
            await expectSolvent(market);
        }
    });

    it('is believed from its Provider alone, and once', async () => {
        const { node, stranger, owner } = await nodeMarket();
        const bodies = [0xc0c00301, 0xc0c00302, 0xc0c00303, 0xc0c00304].map((opcode) =>
            beginCell().storeUint(opcode, 32).storeUint(0, 64),
        );
        const home = beginCell().storeAddress(owner.address);
        const full = [
            bodies[0]
                .storeUint(0, 64 + 16 + 1 + 24)
                .storeAddress(owner.address)
                .storeBuilder(home)
                .storeUint(0, 16),
            bodies[1]
                .storeUint(0, 1 + 32)
                .storeAddress(owner.address)
                .storeRef(Cell.EMPTY),
            bodies[2]
                .storeUint(0, 64 + 16 + 1 + 64 + 16 + 64 + 32)
                .storeAddress(owner.address)
                .storeRef(Cell.EMPTY),
            bodies[3].storeUint(0, 1 + 32 + 32).storeAddress(owner.address),
        ];
        full[0].storeAddress(owner.address).storeRef(Cell.EMPTY);

        for (const body of full) {
            const result = await stranger.send({ to: node.address, value: VALUE, body: body.endCell() });
            expectRefused(result, { to: node.address, exitCode: errors.ErrNotProvider });
        }
    });

    it('works on an account that a stranger deployed first', async () => {
        const market = await joinedMarket();
        const { address, init } = await Node.ofProvider(market.provider.address, 0);
        await market.stranger.send({ to: address, value: toNano('0.1'), init });

        const { node } = await registerNode(market);

        expect((await node.getNodeState()).state).toBe(nodeStates.open);
    });
});

describe('Node: offers', () => {
    it('are replaced, up to eight, and none stops the sale', async () => {
        const market = await nodeMarket();

        for (const count of [8, 1, 0]) {
            await changeNode(market, nodeChanges.offers(offers(count)));
            expect(parseOffers((await market.node.getNodeListing()).offers).length).toBe(count);
        }
    });

    it('are refused above eight, malformed, twice for one model or out of order', async () => {
        const market = await nodeMarket();
        const offer = (model: bigint, next?: Cell) => {
            const builder = beginCell().storeUint(model, 256).storeUint(0, 256);
            return (next === undefined ? builder : builder.storeRef(next)).endCell();
        };
        const cases = [
            nodeChanges.offers(offers(9)),
            setOffers(beginCell().storeUint(0, 511).endCell()),
            setOffers(beginCell().storeUint(0, 513).endCell()),
            setOffers(beginCell().storeUint(0, 512).storeRef(Cell.EMPTY).storeRef(offer(1n)).endCell()),
            setOffers(offer(1n, offer(1n))),
            setOffers(offer(2n, offer(1n))),
        ];

        for (const change of cases) {
            const result = await changeNode(market, change);
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWrongOffers });
        }
    });
});

describe('Node: service', () => {
    it('takes an endpoint of 1 and of 100 bytes, and uptime up to 10000', async () => {
        const market = await nodeMarket();

        for (const service of [
            { region: '', uptime: 0, endpoint: 'x' },
            { region: 'r'.repeat(16), uptime: 10_000, endpoint: 'x'.repeat(100) },
        ]) {
            await changeNode(market, nodeChanges.service(service));
            expect(parseService((await market.node.getNodeListing()).service)).toEqual(service);
        }
    });

    it('refuses an endpoint of 0, of 101 or of broken bytes, references, and uptime above 10000', async () => {
        const market = await nodeMarket();
        const cases = [
            rawService({ endpoint: Buffer.alloc(0) }),
            rawService({ endpoint: Buffer.alloc(101) }),
            rawService({ bits: 4 }),
            rawService({ refs: 1 }),
            rawService({ uptime: 10_001 }),
        ];

        for (const cell of cases) {
            const result = await changeNode(market, setService(cell));
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWrongService });
        }
    });
});

describe('Node: attestation', () => {
    it('counts until it expires, not at that second', async () => {
        const market = await nodeMarket();
        const { blockchain, node } = market;
        const expiresAt = blockchain.now! + DAY;

        await changeNode(market, nodeChanges.attestation({ tier: 'testca', certificate: 9n, expiresAt }));
        blockchain.now = expiresAt - 1;
        expect((await node.getNodeListing()).tier).toBe(1n);
        blockchain.now = expiresAt;

        expect((await node.getNodeListing()).tier).toBe(0n);
    });

    it('can be withdrawn', async () => {
        const market = await nodeMarket();
        const expiresAt = market.blockchain.now! + DAY;
        await changeNode(market, nodeChanges.attestation({ tier: 'tdx', certificate: 9n, expiresAt }));

        await changeNode(market, nodeChanges.attestation());

        expect(await market.node.getNodeListing()).toMatchObject({ tier: 0n, certificate: 0n, expiresAt: 0n });
    });

    it('refuses an unknown tier, and one that has expired', async () => {
        const market = await nodeMarket();
        const raw = (tier: number, expiresAt: number) => {
            const cell = beginCell().storeUint(tier, 8).storeUint(1, 256).storeUint(expiresAt, 32).endCell();
            return beginCell().storeUint(0xc0c00315, 32).storeMaybeRef(cell).endCell();
        };
        const { now } = market.blockchain;

        for (const change of [raw(3, now! + 1), raw(2, now!)]) {
            const result = await changeNode(market, change);
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWrongAttestation });
        }
        await changeNode(market, raw(2, now! + 1));

        expect((await market.node.getNodeListing()).tier).toBe(2n);
    });
});

describe('Node: changes it does not know', () => {
    it('refuses an unknown one, hardware by way of ChangeNode, and an empty one', async () => {
        const market = await nodeMarket();
        const cases: [Cell, number][] = [
            [beginCell().storeUint(0xc0c00399, 32).endCell(), errors.ErrUnknownChange],
            [nodeChanges.hardware(listingWith().hardware), errors.ErrUnknownChange],
            [Cell.EMPTY, 9],
        ];

        for (const [change, exitCode] of cases) {
            const result = await changeNode(market, change);
            expectRefused(result, { to: market.node.address, exitCode });
        }
        expect(keyOf('receipt')).toBe((await market.node.getNodeState()).receiptKey);
    });

    it('refuses an unknown opcode and a comment', async () => {
        const { node, stranger } = await nodeMarket();
        const bodies = [
            beginCell().storeUint(0xc0c003ff, 32).storeUint(0, 64).endCell(),
            beginCell().storeUint(0, 32).storeStringTail('hello').endCell(),
        ];

        for (const body of bodies) {
            const result = await stranger.send({ to: node.address, value: VALUE, body });
            expectRefused(result, { to: node.address, exitCode: 130 });
        }
    });
});
