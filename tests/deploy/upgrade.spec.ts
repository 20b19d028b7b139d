import { Address, beginCell, Cell, Contract, OpenedContract, toNano } from '@ton/core';
import {
    adoptRules,
    changeNode,
    channelCode,
    channelInit,
    claimJob,
    codeHash,
    codeName,
    Escrow,
    executeChange,
    joinMarket,
    launchRegistry,
    Node,
    nodeChanges,
    nodeStates,
    openJob,
    pricesOf,
    proposeCode,
    readMarket,
    refundJob,
    registerNode,
    setUpEscrow,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import {
    CHANGE_DELAY,
    committeeOf,
    deployRegistry,
    keyOf,
    listingWith,
    Market,
    pairOf,
    rulesWith,
    STAKE,
    Wallet,
} from '../support/stake';
import { networkConfig } from '../../localnet/config';
import { readFleet } from '../../offchain/fleet';

/** Another code that does the same: one instruction longer, NOP. */
function nextVersion(code: Cell): Cell {
    return beginCell().storeUint(0, 8).storeSlice(code.beginParse()).endCell();
}

function actorOf({ blockchain }: Market, wallet: Wallet) {
    const open = <T extends Contract>(contract: T) => blockchain.openContract(contract) as unknown as OpenedContract<T>;
    return { sender: wallet.getSender(), open };
}

describe('A new release of the node', () => {
    it('comes through the timelock, and runs beside the old one', async () => {
        const market = await deployRegistry();
        const { blockchain, governor, owner, payout, insurance, codes } = market;
        const [ruler, provider] = [actorOf(market, governor), actorOf(market, owner)];
        const first = { delay: CHANGE_DELAY + 1, rent: toNano('1'), rules: rulesWith(insurance.address) };
        const registry = await launchRegistry(ruler, { ...first, committee: committeeOf(3, 2), codes, catalogue: 1n });
        const joined = await joinMarket(provider, { registry: registry.address, stake: STAKE, payout: payout.address });
        const whose = { provider: joined.address };
        const second = nextVersion(codes.node);
        const before = await registerNode(provider, { ...whose, code: codes.node, listing: listingWith() });

        await proposeCode(ruler, { registry: registry.address, kind: 'node', code: second });
        await executeChange(ruler, { registry: registry.address }); // too early: refused on chain
        const early = await readMarket(ruler, registry.address);
        blockchain.now! += CHANGE_DELAY + 1;
        await executeChange(ruler, { registry: registry.address });
        await adoptRules(provider, { ...whose, anyCode: true }); // this checkout has one release of the node
        const listing = listingWith({ receiptKey: keyOf('second'), encryptionKey: 9n });
        await registerNode(provider, { ...whose, code: second, listing });
        for (const [number, codeVersion] of [0, 1].entries()) {
            await changeNode(provider, { ...whose, number, codeVersion, change: nodeChanges.offers([]) });
        }

        const at = await joined.getNodeAddress(1n, 1n);
        const after = provider.open(Node.fromAddress(at));
        expect(early.codes.node).toEqual([codeName(codes.node)]);
        expect((await readMarket(ruler, registry.address)).codes.node).toEqual([
            codeName(codes.node),
            codeName(second),
        ]);
        expect([await codeAt(market, before.address), await codeAt(market, at)]).toEqual([
            codeHash(codes.node),
            codeHash(second),
        ]);
        for (const node of [before, after]) {
            expect((await node.getNodeState()).state).toBe(nodeStates.open);
            expect((await node.getNodeListing()).offers).toBeNull();
        }
        const fleet = await readFleet(provider, joined.address);
        expect(fleet.map(({ number, codeVersion, open }) => [number, codeVersion, open])).toEqual([
            [0, 0, true],
            [1, 1, true],
        ]);
    });
});

describe('A new release of the channel', () => {
    it('carries new jobs, while a job of the old one is claimed and refunded', async () => {
        const market = await deployRegistry();
        const { blockchain, owner, payout } = market;
        const client = actorOf(market, owner);
        const [old, next] = [await channelCode(), nextVersion(await channelCode())];
        const voucherKey = pairOf('voucher');
        const prices = pricesOf(networkConfig('2025')); // as in the sandbox, which has no account of its configuration
        const settings = { spendKey: Buffer.alloc(32), jobLimit: 0n, dayLimit: 0n, prices };
        const job = {
            deposit: toNano('1'),
            end: blockchain.now! + 7200,
            notice: 3600,
            voucherKey: voucherKey.publicKey,
            payout: payout.address.hash,
        };
        const escrow = await setUpEscrow(client, { ...settings, deposit: toNano('5'), channelCode: old });

        await openJob(client, { seqno: 0, job });
        await setUpEscrow(client, { ...settings, deposit: 0n, channelCode: next });
        await openJob(client, { seqno: 1, job });
        const jobs = [
            channelInit(escrow.address, { ...job, job: 0 }, old).address,
            channelInit(escrow.address, { ...job, job: 4 }, next).address,
        ];
        const codesOfJobs = await Promise.all(jobs.map((address) => codeAt(market, address)));
        const paidBefore = await payout.getBalance();
        for (const channel of jobs) {
            const voucher = voucherFor(await networkOf(market), channel, toNano('0.4'), 1);
            const signature = voucherKey.sign(Voucher.hash(voucher));
            const signed = { cumulative: toNano('0.4'), count: 1, signature };
            await claimJob(client, { channel, voucher: signed, anyCode: true }); // this checkout has one release of it
        }
        const paid = (await payout.getBalance()) - paidBefore;
        blockchain.now = job.end;
        for (const channel of jobs) {
            await refundJob(client, { channel, anyCode: true });
        }

        expect(codesOfJobs).toEqual([codeHash(old), codeHash(next)]);
        expect(paid).toBeGreaterThan(toNano('0.79')); // both, less what the payout itself pays to receive
        for (const channel of jobs) {
            expect(await codeAt(market, channel)).toBeUndefined();
        }
        expect((await client.open(Escrow.fromAddress(escrow.address)).getEscrowState()).seqno).toBe(2n);
    });
});

async function codeAt({ blockchain }: Market, address: Address): Promise<string | undefined> {
    const state = (await blockchain.getContract(address)).account.account?.storage.state;
    return state?.type === 'active' && state.state.code ? codeHash(state.state.code) : undefined;
}

async function networkOf({ blockchain }: Market): Promise<number> {
    const { networkIdOf } = await import('../../localnet/config');
    return networkIdOf(blockchain.config);
}
