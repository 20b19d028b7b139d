import { createPrivateKey, createPublicKey, diffieHellman, KeyObject } from 'node:crypto';

import { beginCell, Dictionary, toNano } from '@ton/core';

import { listingCell, Node, nodeChanges } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { CodeId, codeId } from '../../wrappers/Registry';
import { errors } from '../../wrappers/protocol';
import { expectRefused } from '../support/chain';
import {
    CATALOGUE,
    changeNode,
    DAY,
    deployRegistry,
    keyOf,
    launchMarket,
    listingWith,
    nodeMarket,
    registerNode,
    RATE,
    rulesWith,
    STAKE,
} from '../support/stake';

const VALUE = toNano('1');
const P = (1n << 255n) - 19n;

/** Little-endian bytes read as the chain reads them, as a big-endian number. */
function asOnChain(u: bigint): bigint {
    return BigInt(`0x${Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse().toString('hex')}`);
}

function x25519(key: bigint): KeyObject {
    const x = Buffer.from(key.toString(16).padStart(64, '0'), 'hex').toString('base64url');
    return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** Every X25519 key with which everyone gets the same secret, each with and without the bit that is ignored. */
const lowOrder = [
    0n,
    1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    P - 1n,
    P,
    P + 1n,
].flatMap((u) => [asOnChain(u), asOnChain(u + (1n << 255n))]);

describe('An encryption key of low order', () => {
    it('is none that two sides can agree over', () => {
        const mine = createPrivateKey({
            key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.alloc(32, 9)]),
            format: 'der',
            type: 'pkcs8',
        });

        for (const key of lowOrder) {
            expect(() => diffieHellman({ privateKey: mine, publicKey: x25519(key) })).toThrow();
        }
    });

    it('is refused in a rotation, and a key like it is not', async () => {
        const market = await nodeMarket();
        const keys = { receiptKey: keyOf('receipt'), oldEndsAt: 0 };

        for (const encryptionKey of lowOrder) {
            const result = await changeNode(market, nodeChanges.keys({ ...keys, encryptionKey }));
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWeakKey });
        }
        const honest = asOnChain(325606250916557431795983626356110631294008115727848805560023387167927233505n);
        await changeNode(market, nodeChanges.keys({ ...keys, encryptionKey: honest }));

        expect((await market.node.getNodeState()).encryptionKey).toBe(honest);
    });
});

describe('A launch with a code behind a gap', () => {
    async function launch(keys: number[]) {
        const { registry, governor, insurance, codes } = await deployRegistry();
        const { evidence, response, verdict, buffer, unbonding, payoutDelay, baseStake } = rulesWith(insurance.address);
        const [first, second, third, fourth] = [evidence, response, verdict, buffer].map(BigInt);
        const windows = { evidence: first, response: second, verdict: third, buffer: fourth };
        const times = { ...windows, unbonding: BigInt(unbonding), payoutDelay: BigInt(payoutDelay) };
        const rates = beginCell().storeUint(RATE, 64).storeUint(0, 448).endCell();
        const rules = { $$type: 'RuleSet', ...times, baseStake, insurance: insurance.address, rates } as const;
        const key = beginCell().storeUint(keyOf('committee'), 256).endCell();
        const committee = { $$type: 'Committee', threshold: 1n, count: 1n, keys: key } as const;
        const named = Dictionary.empty<number, CodeId>();
        keys.forEach((each) => named.set(each, codeId(codes.node)));
        const fields = { $$type: 'Launch', queryId: 0n, rules, committee, codes: named, catalogue: CATALOGUE } as const;
        return { registry, result: await registry.send(governor.getSender(), { value: VALUE }, fields) };
    }

    it('is refused: no later change would have to name it', async () => {
        for (const keys of [[0, 8, 10], [1, 8], [0, 8, 40], [255]]) {
            const { registry, result } = await launch(keys);
            expectRefused(result, { to: registry.address, exitCode: errors.ErrUnknownVersion });
        }
        const { registry } = await launch([0, 8, 9]);
        expect((await registry.getRegistryState()).rulesVersion).toBe(1n);
    });
});

describe('Accounts that a stranger deployed a year before, with next to nothing', () => {
    it('cost the owner their rent, and take no stake that is not joined', async () => {
        const market = await launchMarket();
        const { blockchain, registry, owner, stranger, payout } = market;
        const wrapper = await Provider.ofOwner(registry.address, owner.address);
        const early = await Node.ofProvider(wrapper.address, 0);
        for (const { address, init } of [wrapper, early]) {
            await stranger.send({ to: address, value: toNano('0.01'), init: init!, bounce: false });
        }
        blockchain.now! += 365 * DAY;
        for (const { address } of [wrapper, early]) {
            await stranger.send({ to: address, value: 1n, bounce: false });
        }

        const provider = blockchain.openContract(wrapper);
        const value = STAKE + (await registry.getJoinValue());
        const args = { stake: STAKE, payout: payout.address };
        const short = await provider.sendJoin(owner.getSender(), { value, ...args });
        await provider.sendJoin(owner.getSender(), { value: value + VALUE, ...args });
        const { node } = await registerNode({ ...market, provider });

        expectRefused(short, { to: provider.address, exitCode: errors.ErrLowValue });
        expect(await provider.getProviderState()).toMatchObject({ nodes: 1n, rulesVersion: 1n });
        expect((await node.getNodeState()).state).toBe(1n);
    });
});

describe('A listing in a cell of another kind', () => {
    it('is refused whole when its library is not there, and its value comes back', async () => {
        const market = await nodeMarket();
        const { provider, owner } = market;
        const library = beginCell().storeUint(2, 8).storeBuffer(listingCell(listingWith()).hash());
        const result = await provider.sendRegisterNode(owner.getSender(), {
            value: VALUE,
            code: market.codes.node,
            listing: library.endCell({ exotic: true }),
        });

        expectRefused(result, { from: owner.address, to: provider.address, exitCode: errors.ErrMalformed });
        expect((await provider.getProviderState()).nodes).toBe(1n);
    });
});
