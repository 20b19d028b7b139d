import { nodeChanges, nodeStates } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { expectRefused } from '../support/chain';
import { WEAK_KEYS } from '../support/keys';
import { changeNode, DAY, HOUR, keyOf, nodeMarket, NodeMarket } from '../support/stake';

const NOTICE = 120; // seconds for which a key goes on that its provider ends
const KEPT = 24 * HOUR + 60 + 120 * HOUR; // a slot behind the end of its key: an accept's deadline, clocks that differ, evidence
const CURRENT = 0xffffffffn;

function rotate(market: NodeMarket, name: string, { oldEndsAt = market.blockchain.now!, encryptionKey = 9n } = {}) {
    return changeNode(market, nodeChanges.keys({ receiptKey: keyOf(name), encryptionKey, oldEndsAt }));
}

function revoke(market: NodeMarket, name: string) {
    return changeNode(market, nodeChanges.endKey(keyOf(name)));
}

describe('Node: SetKeys', () => {
    it('keeps the old receipt key in a slot with its end', async () => {
        const market = await nodeMarket();
        const { blockchain, node } = market;
        const oldEndsAt = blockchain.now! + DAY;

        await rotate(market, 'second', { oldEndsAt });

        expect(await node.getNodeState()).toMatchObject({ receiptKey: keyOf('second'), encryptionKey: 9n });
        expect(await node.getEndedKey(0n)).toMatchObject({
            key: keyOf('receipt'),
            endsAt: BigInt(oldEndsAt),
            freeAt: BigInt(oldEndsAt + KEPT),
        });
        expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(BigInt(oldEndsAt));
        expect(await node.getKeyEndsAt(keyOf('second'))).toBe(CURRENT);
        expect(await node.getKeyEndsAt(keyOf('never'))).toBe(0n);
        expect(await node.getKeyLiability(keyOf('never'))).toMatchObject({ slashable: 0n, countsUntil: 0n });
        expect(await node.getKeyEndsAt(0n)).toBe(0n);
    });

    it('ends the attestation, which was made over the old keys', async () => {
        const market = await nodeMarket();
        const expiresAt = market.blockchain.now! + DAY;
        await changeNode(market, nodeChanges.attestation({ tier: 'tdx', certificate: 1n, expiresAt }));

        await rotate(market, 'second');

        expect((await market.node.getNodeListing()).tier).toBe(0n);
    });

    it('changes the encryption key alone without using a slot', async () => {
        const market = await nodeMarket();

        await rotate(market, 'receipt', { encryptionKey: 11n });

        expect(await market.node.getNodeState()).toMatchObject({ receiptKey: keyOf('receipt'), encryptionKey: 11n });
        expect((await market.node.getEndedKey(0n)).key).toBe(0n);
    });

    it('takes an end from now to 90 days ahead, and nothing beside it', async () => {
        const market = await nodeMarket();
        const now = market.blockchain.now!;

        const past = await rotate(market, 'second', { oldEndsAt: now - 1 });
        const far = await rotate(market, 'second', { oldEndsAt: now + 90 * DAY + 1 });
        await rotate(market, 'second', { oldEndsAt: now });
        await rotate(market, 'third', { oldEndsAt: now + 90 * DAY });

        expect(await market.node.getKeyEndsAt(keyOf('second'))).toBe(BigInt(now + 90 * DAY));
        expectRefused(past, { to: market.node.address, exitCode: errors.ErrWrongKeyEnd });
        expectRefused(far, { to: market.node.address, exitCode: errors.ErrWrongKeyEnd });
        expect((await market.node.getNodeState()).receiptKey).toBe(keyOf('third'));
    });

    it.each([
        ['two minutes ahead at the least', NOTICE - 1],
        ['as said from then on', NOTICE + 1],
    ])('ends the old key %s', async (_, ahead) => {
        const market = await nodeMarket();
        const now = market.blockchain.now!;

        await rotate(market, 'second', { oldEndsAt: now + ahead });

        const endsAt = now + Math.max(ahead, NOTICE);
        expect(await market.node.getEndedKey(0n)).toMatchObject({
            key: keyOf('receipt'),
            endsAt: BigInt(endsAt),
            freeAt: BigInt(endsAt + KEPT),
        });
    });

    it('refuses a fourth rotation while slots are kept, and takes it on time', async () => {
        const market = await nodeMarket();
        for (const name of ['second', 'third', 'fourth']) {
            await rotate(market, name);
        }
        const start = market.blockchain.now!;
        market.blockchain.now = start + NOTICE + KEPT - 1;

        const early = await rotate(market, 'fifth');
        market.blockchain.now = start + NOTICE + KEPT;
        await rotate(market, 'fifth');

        expectRefused(early, { to: market.node.address, exitCode: errors.ErrNoSlot });
        expect((await market.node.getNodeState()).receiptKey).toBe(keyOf('fifth'));
    });

    it('refuses a key that it has or had', async () => {
        const market = await nodeMarket();
        await rotate(market, 'second');

        const result = await rotate(market, 'receipt');

        expectRefused(result, { to: market.node.address, exitCode: errors.ErrKeyUsed });
    });

    it('refuses a weak receipt key and an encryption key of 0', async () => {
        const market = await nodeMarket();
        const oldEndsAt = market.blockchain.now!;

        const weak = WEAK_KEYS.map((key) => BigInt(`0x${key.toString('hex')}`));
        for (const keys of [
            ...weak.map((receiptKey) => ({ receiptKey, encryptionKey: 9n })),
            { receiptKey: keyOf('second'), encryptionKey: 0n },
        ]) {
            const result = await changeNode(market, nodeChanges.keys({ ...keys, oldEndsAt }));
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWeakKey });
        }
    });
});

describe('Node: EndKey', () => {
    it('revokes the receipt key with two minutes of notice, without a successor', async () => {
        const market = await nodeMarket();

        await revoke(market, 'receipt');

        expect(await market.node.getNodeState()).toMatchObject({ receiptKey: 0n, state: nodeStates.open });
        expect(await market.node.getKeyEndsAt(keyOf('receipt'))).toBe(BigInt(market.blockchain.now! + NOTICE));
    });

    it('is possible with every slot but the last in use', async () => {
        const market = await nodeMarket();
        for (const name of ['second', 'third', 'fourth']) {
            await rotate(market, name);
        }

        await revoke(market, 'fourth');
        const next = await rotate(market, 'fifth');

        expect((await market.node.getNodeState()).receiptKey).toBe(0n);
        expectRefused(next, { to: market.node.address, exitCode: errors.ErrNoSlot });
    });

    it('lets a new key follow without using a slot for the missing one', async () => {
        const market = await nodeMarket();
        await revoke(market, 'receipt');

        await rotate(market, 'second');

        expect((await market.node.getNodeState()).receiptKey).toBe(keyOf('second'));
        expect((await market.node.getEndedKey(1n)).key).toBe(0n);
    });

    it('brings the end of a rotated key nearer, never farther', async () => {
        const market = await nodeMarket();
        const { blockchain, node } = market;
        await rotate(market, 'second', { oldEndsAt: blockchain.now! + DAY });
        blockchain.now! += HOUR;
        const endsAt = blockchain.now! + NOTICE;

        await revoke(market, 'receipt');
        const again = await revoke(market, 'receipt');

        expect(await node.getEndedKey(0n)).toMatchObject({
            endsAt: BigInt(endsAt),
            freeAt: BigInt(endsAt + KEPT),
        });
        expectRefused(again, { to: node.address, exitCode: errors.ErrUnknownKey });
    });

    it.each([
        ['a second after its notice would is taken', NOTICE + 1, true],
        ['with it is refused', NOTICE, false],
    ])('of a rotated key that ends %s', async (_, ahead, taken) => {
        const market = await nodeMarket();
        const { blockchain, node } = market;
        await rotate(market, 'second', { oldEndsAt: blockchain.now! + HOUR });
        blockchain.now! += HOUR - ahead;

        const result = await revoke(market, 'receipt');

        expect(await node.getKeyEndsAt(keyOf('receipt'))).toBe(BigInt(blockchain.now! + NOTICE));
        if (!taken) {
            expectRefused(result, { to: node.address, exitCode: errors.ErrUnknownKey });
        }
    });

    it('refuses a key that is not the node’s, and key 0', async () => {
        const market = await nodeMarket();
        await revoke(market, 'receipt');

        const unknown = await revoke(market, 'never');
        const none = await changeNode(market, nodeChanges.endKey(0n));

        expectRefused(unknown, { to: market.node.address, exitCode: errors.ErrUnknownKey });
        expectRefused(none, { to: market.node.address, exitCode: errors.ErrUnknownKey });
    });
});
