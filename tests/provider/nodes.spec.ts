// Longer than 350 lines because its cases share one set-up.
import { beginCell, Cell, toNano } from '@ton/core';
import { SandboxContract } from '@ton/sandbox';

import { listingCell, nodeChanges, nodeStates } from '../../wrappers/Node';
import { errors } from '../../wrappers/protocol';
import { Provider } from '../../wrappers/Provider';
import { registryChanges } from '../../wrappers/Registry';
import { expectConserved, expectRefused, gasOf } from '../support/chain';
import {
    BASE_STAKE,
    changeNode,
    CHANGE_DELAY,
    exactValue,
    expectSolvent,
    HOUR,
    joinedMarket,
    JoinedMarket,
    joinProvider,
    launchMarket,
    minValue,
    listingWith,
    NodeMarket,
    nodeMarket,
    plain,
    RATE,
    registerNode,
    rulesWith,
    STAKE,
} from '../support/stake';

const VALUE = toNano('1');
const NAMED_TOO_MUCH = toNano('0.001'); // of a body that the wallet keeps in the message's own cell
const HARDWARE = listingWith().hardware;

async function totalsOf(provider: SandboxContract<Provider>) {
    const { nodes, gpus, shares } = await provider.getProviderState();
    return { nodes, gpus, shares };
}

async function close(market: JoinedMarket, { number = 0, codeVersion = 0, by = market.owner, value = VALUE } = {}) {
    const result = await expectConserved(market.blockchain, () =>
        market.provider.sendCloseNode(by.getSender(), { value, number, codeVersion }),
    );
    await expectSolvent(market);
    return result;
}

async function replace(
    market: NodeMarket,
    gpus: number,
    overrides: { share?: bigint; oldGpus?: number; gpuClass?: number; value?: bigint; number?: number } = {},
) {
    const { blockchain, provider, owner } = market;
    const change = nodeChanges.hardware({ ...HARDWARE, gpus, gpuClass: overrides.gpuClass ?? 0 });
    const result = await expectConserved(blockchain, () =>
        provider.sendReplaceHardware(owner.getSender(), {
            value: overrides.value ?? VALUE,
            number: overrides.number ?? 0,
            share: overrides.share ?? 2n * RATE,
            gpus: overrides.oldGpus ?? 2,
            change,
        }),
    );
    await expectSolvent(market);
    return result;
}

describe('Provider: RegisterNode', () => {
    it('pays what the account lacks besides stake that stays and stake that leaves', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('3') });
        const { stake, unbonding, reserve } = await provider.getProviderState();
        const account = await blockchain.getContract(provider.address);
        account.balance = stake + unbonding; // rent has eaten the rest

        await registerNode(market);

        expect(account.balance).toBe(stake + unbonding + reserve);
    });

    it('counts node, GPUs and share, and pins the share in the node', async () => {
        const market = await joinedMarket();

        const { node } = await registerNode(market);

        expect(await totalsOf(market.provider)).toEqual({ nodes: 1n, gpus: 2n, shares: 2n * RATE });
        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.open, share: 2n * RATE, number: 0n });
        await expectSolvent(market);
    });

    it('is the first of its version to count: before it, everything of that version is nothing', async () => {
        const { provider } = await joinedMarket();

        expect(await provider.getVersionShares(0n)).toMatchObject({
            ...{ shares: 0n, nodes: 0n, gpus: 0n, maxShare: 0n },
            ...{ slashable: 0n, frozen: 0n, cases: 0n, pendingVerdicts: 0n },
        });
    });

    it('requires what a getter names, by class and number of GPUs', async () => {
        const { provider } = await joinedMarket();

        expect(await provider.getShareFor(0n, 3n)).toBe(3n * RATE);
        expect(await provider.getShareFor(1n, 2n)).toBe(4n * RATE);
        await expect(provider.getShareFor(2n, 1n)).rejects.toMatchObject({ exitCode: errors.ErrWrongClass });
        await expect(provider.getShareFor(8n, 1n)).rejects.toMatchObject({ exitCode: errors.ErrWrongClass });
        await expect(provider.getShareFor(0n, 0n)).rejects.toMatchObject({ exitCode: errors.ErrWrongClass });
    });

    it('takes the value its getter names, not one nanoTON below', async () => {
        const market = await joinedMarket();
        const { provider, owner, codes } = market;
        const body = { code: codes.node, listing: listingCell(listingWith()) };
        const named = (await provider.getRegisterNodeValue(body)) - (await provider.getProviderState()).reserve;
        const value = await minValue(market, named, (less) =>
            provider.sendRegisterNode(owner.getSender(), { value: less, ...body }),
        );

        const below = await registerNode(market, { value: value - 1n });
        const exact = await registerNode(market, { value });

        expect(named - value).toBeLessThan(NAMED_TOO_MUCH);
        expectRefused(below.result, { to: provider.address, exitCode: errors.ErrLowValue });
        expect((await exact.node.getNodeState()).state).toBe(nodeStates.open);
    });

    it('refuses one GPU more than the stake covers, takes the last that it does', async () => {
        const market = await joinedMarket();
        const covered = Number((STAKE - BASE_STAKE) / RATE);

        const over = listingWith({ hardware: { ...HARDWARE, gpus: covered + 1 } });
        const { result } = await registerNode(market, { listing: over });
        await registerNode(market, { listing: listingWith({ hardware: { ...HARDWARE, gpus: covered } }) });

        expectRefused(result, { to: market.provider.address, exitCode: errors.ErrLowStake });
        expect(await totalsOf(market.provider)).toMatchObject({ gpus: BigInt(covered) });
    });

    it('refuses a class without a rate, a class beyond the last, and no GPU', async () => {
        const market = await joinedMarket();

        for (const hardware of [
            { ...HARDWARE, gpuClass: 2 },
            { ...HARDWARE, gpuClass: 8 },
            { ...HARDWARE, gpus: 0 },
        ]) {
            const { result } = await registerNode(market, { listing: listingWith({ hardware }), value: VALUE });
            expectRefused(result, { to: market.provider.address, exitCode: errors.ErrWrongClass });
        }
    });

    it('refuses code that is not the newest it follows', async () => {
        const market = await joinedMarket();
        const body = { value: VALUE, code: market.codes.provider, listing: listingCell(listingWith()) };

        const result = await market.provider.sendRegisterNode(market.owner.getSender(), body);

        expectRefused(result, { to: market.provider.address, exitCode: errors.ErrWrongCode });
    });

    it('refuses anyone but the owner, the operator too', async () => {
        const market = await joinedMarket();

        for (const by of [market.stranger, market.operator]) {
            const { result } = await registerNode(market, { by });

            expectRefused(result, { to: market.provider.address, exitCode: errors.ErrNotOwner });
        }
    });

    it('takes the share back and returns the value to the owner when the node refuses', async () => {
        const market = await joinedMarket();
        const { owner, provider } = market;

        const { node, result } = await registerNode(market, { listing: listingWith({ receiptKey: 0n }) });

        expectRefused(result, { to: node.address, exitCode: errors.ErrWeakKey });
        expect(result.transactions).toHaveTransaction({ from: provider.address, to: owner.address, success: true });
        expect(await totalsOf(provider)).toEqual({ nodes: 0n, gpus: 0n, shares: 0n });
        await expectSolvent(market);
    });

    it('never uses a number again, not even of a refused node', async () => {
        const market = await joinedMarket();
        await registerNode(market, { listing: listingWith({ receiptKey: 0n }) });

        const { node } = await registerNode(market);

        expect((await node.getNodeState()).number).toBe(1n);
    });

    it('leaves no node and no share behind while the Registry is paused', async () => {
        const market = await joinedMarket();
        await market.registry.sendSetPaused(market.governor.getSender(), { value: VALUE, paused: true });

        const { node, result } = await registerNode(market);

        expect(result.transactions).toHaveTransaction({ to: market.registry.address, exitCode: errors.ErrPaused });
        expect(await totalsOf(market.provider)).toEqual({ nodes: 0n, gpus: 0n, shares: 0n });
        expect(await node.getNodeState()).toMatchObject({
            state: nodeStates.closed,
            share: 0n,
            receiptKey: 0n,
            clearAt: 0n,
        });
        await expectConserved(market.blockchain, () => node.sendClear(market.stranger.getSender(), { value: VALUE }));
        expect((await market.blockchain.getContract(node.address)).balance).toBe(0n);
        await expectSolvent(market);
    });

    it('costs the fiftieth node the same gas as the second, and the first less: nothing is counted before it', async () => {
        const market = await launchMarket();
        const provider = await joinProvider(market, market.owner, BASE_STAKE + 100n * RATE);
        const gas: bigint[] = [];

        for (let index = 0; index < 50; index++) {
            const { result } = await registerNode({ ...market, provider });
            gas.push(gasOf(result.transactions));
        }

        expect(new Set(gas.slice(1)).size).toBe(1);
        expect(gas[0]).toBeLessThan(gas[1]);
    });

    it('takes the newest node code after Adopt, and still changes nodes of the old one', async () => {
        const market = await nodeMarket();
        const { blockchain, registry, governor, stranger, provider, owner } = market;
        const change = registryChanges.code('node', beginCell().storeUint(1, 8).endCell());
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
        await provider.sendAdopt(owner.getSender(), { value: VALUE });

        const { result } = await registerNode(market);
        const changed = await changeNode(market, nodeChanges.offers([]));

        expectRefused(result, { to: provider.address, exitCode: errors.ErrWrongCode });
        expect(changed.externals.length).toBe(1);
    });
});

describe('Provider: ChangeNode', () => {
    it('takes the value its getter names, not one nanoTON below', async () => {
        const market = await nodeMarket();
        const { provider, owner } = market;
        const change = nodeChanges.offers(listingWith().offers);
        const named = (await provider.getChangeNodeValue(change)) - (await provider.getProviderState()).reserve;
        const value = await minValue(market, named, (less) =>
            provider.sendChangeNode(owner.getSender(), { value: less, number: 0, change }),
        );
        expect(named - value).toBeLessThan(NAMED_TOO_MUCH);

        const below = await provider.sendChangeNode(owner.getSender(), { value: value - 1n, number: 0, change });
        const exact = await provider.sendChangeNode(owner.getSender(), { value, number: 0, change });

        expectRefused(below, { to: provider.address, exitCode: errors.ErrLowValue });
        expect(exact.externals.length).toBe(1);
    });

    it('returns the value to who asked when there is no such node', async () => {
        const market = await nodeMarket();
        const { provider, owner, operator } = market;

        for (const by of [owner, operator]) {
            const result = await changeNode(market, nodeChanges.offers([]), { number: 7, by });
            expect(result.transactions).toHaveTransaction({ from: provider.address, to: by.address, success: true });
        }
        await expectSolvent(market);
    });

    it('keeps nothing of a change when there is no such node, nor any of its version', async () => {
        const market = await joinedMarket();
        const { blockchain, provider, owner } = market;
        const data = async () => {
            const { accountState } = await blockchain.getContract(provider.address);
            return accountState?.type === 'active' ? accountState.state.data?.hash() : undefined;
        };
        const before = await data();

        const change = nodeChanges.offers([]);
        const value = await provider.getChangeNodeValue(change);
        await provider.sendChangeNode(owner.getSender(), { value, number: 7, codeVersion: 0, change });

        expect(before).toBeInstanceOf(Buffer);
        expect(await data()).toEqual(before);
    });

    it('refuses strangers and code versions that are not there', async () => {
        const market = await nodeMarket();

        const stranger = await changeNode(market, nodeChanges.offers([]), { by: market.stranger });
        const version = await changeNode(market, nodeChanges.offers([]), { codeVersion: 1 });

        expectRefused(stranger, { to: market.provider.address, exitCode: errors.ErrNotOperator });
        expectRefused(version, { to: market.provider.address, exitCode: errors.ErrUnknownVersion });
    });
});

describe('Provider: ReplaceHardware', () => {
    it('of as many GPUs leaves no share of before that can be slashed', async () => {
        const market = await nodeMarket();
        await replace(market, 2);

        expect(await market.node.getNodeRecord()).toMatchObject({ pastShare: 0n, pastUntil: 0n });
    });

    it.each([
        ['more', 4],
        ['fewer', 1],
        ['as many', 2],
    ])('counts %s GPUs and their share in provider and node', async (_, gpus) => {
        const market = await nodeMarket();

        const result = await replace(market, gpus);

        const share = BigInt(gpus) * RATE;
        expect(await totalsOf(market.provider)).toEqual({ nodes: 1n, gpus: BigInt(gpus), shares: share });
        expect((await market.node.getNodeState()).share).toBe(share);
        expect((await market.node.getNodeListing()).gpus).toBe(BigInt(gpus));
        expect(result.externals.length).toBe(1);
    });

    it('needs stake only for what the share rises by, to the nanoTON', async () => {
        const market = await nodeMarket();

        const over = await replace(market, 6);
        await replace(market, 5);

        expectRefused(over, { to: market.provider.address, exitCode: errors.ErrLowStake });
        expect(await totalsOf(market.provider)).toMatchObject({ shares: 5n * RATE });
    });

    it('raises the highest share that a key of its version may cost, from one nanoTON on', async () => {
        const market = await nodeMarket();
        expect((await market.provider.getVersionShares(0n)).maxShare).toBe(2n * RATE);

        await replace(market, 3, { share: 3n * RATE - 1n });

        expect((await market.provider.getVersionShares(0n)).maxShare).toBe(2n * RATE + 1n);
    });

    it('prices the share by the rules followed now', async () => {
        const market = await nodeMarket();
        const { blockchain, registry, governor, stranger, provider, owner, insurance } = market;
        const change = registryChanges.rules(rulesWith(insurance.address, { rates: [RATE / 2n] }));
        await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
        blockchain.now! += CHANGE_DELAY;
        await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
        await provider.sendAdopt(owner.getSender(), { value: VALUE });
        expect(await totalsOf(provider)).toMatchObject({ shares: 2n * RATE });

        await replace(market, 2);

        expect(await totalsOf(provider)).toMatchObject({ shares: RATE });
    });

    it('counts nothing when the share named is not the node’s', async () => {
        const market = await nodeMarket();

        for (const lie of [{ share: 0n }, { share: 40n * RATE }, { oldGpus: 0 }, { oldGpus: 3 }]) {
            const result = await replace(market, 3, lie);
            expectRefused(result, { to: market.node.address, exitCode: errors.ErrWrongShare });
        }

        expect(await totalsOf(market.provider)).toEqual({ nodes: 1n, gpus: 2n, shares: 2n * RATE });
    });

    it('does not let stake out while a lie about the old share is under way', async () => {
        const market = await nodeMarket();
        const { provider, owner } = market;
        const change = nodeChanges.hardware({ ...HARDWARE, gpus: 3 });
        const args = { value: VALUE, number: 0, share: 40n * RATE, gpus: 2, change };

        await owner.sendMessages([
            await internalTo(provider, (via) => provider.sendReplaceHardware(via, args)),
            await internalTo(provider, (via) => provider.sendUnbond(via, { value: VALUE, amount: 30n * RATE })),
        ]);

        expect((await provider.getProviderState()).unbonding).toBe(0n);
        await expectSolvent(market);
    });

    it('takes its value, not one nanoTON below', async () => {
        const market = await nodeMarket();
        const { provider } = market;
        const change = nodeChanges.hardware({ ...HARDWARE, gpus: 4 });
        const named = (await provider.getReplaceHardwareValue(change)) - (await provider.getProviderState()).reserve;
        const value = await minValue(market, named, (less) => replace(market, 4, { value: less }));
        expect(named - value).toBeLessThan(NAMED_TOO_MUCH);

        const below = await replace(market, 4, { value: value - 1n });
        const exact = await replace(market, 4, { value });

        expectRefused(below, { to: market.provider.address, exitCode: errors.ErrLowValue });
        expect(exact.externals.length).toBe(1);
    });
});

describe('Provider: CloseNode', () => {
    it('frees the share, so that it can be unbonded', async () => {
        const market = await nodeMarket();
        const { provider, owner, node } = market;

        const result = await close(market);

        expect(await totalsOf(provider)).toEqual({ nodes: 0n, gpus: 0n, shares: 0n });
        expect(await node.getNodeState()).toMatchObject({ state: nodeStates.closed, share: 0n, receiptKey: 0n });
        expect(result.externals.length).toBe(1);
        await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: STAKE });
        expect((await provider.getProviderState()).unbonding).toBe(STAKE);
    });

    it('works while the Registry is paused', async () => {
        const market = await nodeMarket();
        await market.registry.sendSetPaused(market.governor.getSender(), { value: VALUE, paused: true });

        const result = await close(market);

        expect(result.externals.length).toBe(1);
    });

    it('frees a share once', async () => {
        const market = await nodeMarket();
        await registerNode(market);
        await close(market);

        const again = await close(market);

        expectRefused(again, { to: market.node.address, exitCode: errors.ErrWrongState });
        expect(await totalsOf(market.provider)).toEqual({ nodes: 1n, gpus: 2n, shares: 2n * RATE });
    });

    it('takes its value, not one nanoTON below', async () => {
        const market = await nodeMarket();
        const value = await exactValue(market, 'closeNode');

        const below = await close(market, { value: value - 1n });
        const exact = await close(market, { value });

        expectRefused(below, { to: market.provider.address, exitCode: errors.ErrLowValue });
        expect(exact.externals.length).toBe(1);
    });

    it('refuses strangers, and returns the value when there is no such node', async () => {
        const market = await nodeMarket();

        const stranger = await close(market, { by: market.stranger });
        const missing = await close(market, { number: 5 });

        expectRefused(stranger, { to: market.provider.address, exitCode: errors.ErrNotOperator });
        expect(missing.transactions).toHaveTransaction({ from: market.provider.address, to: market.owner.address });
        expect(await totalsOf(market.provider)).toMatchObject({ nodes: 1n });
    });
});

describe('Provider: ShareFreed', () => {
    it('is believed from its own nodes alone', async () => {
        const market = await nodeMarket();
        const other = await joinProvider(market, market.stranger);
        const body = beginCell()
            .storeUint(0xc0c00221, 32)
            .storeUint(0, 64)
            .storeUint(2n * RATE, 64)
            .storeUint(2, 16)
            .storeUint(0, 32 + 8)
            .storeBit(true)
            .storeAddress(market.stranger.address)
            .storeBit(false)
            .endCell();

        const result = await market.stranger.send({ to: market.provider.address, value: VALUE, body });

        expectRefused(result, { to: market.provider.address, exitCode: errors.ErrNotNode });
        expect(await totalsOf(other)).toEqual({ nodes: 0n, gpus: 0n, shares: 0n });
    });
});

describe('Provider: two owners', () => {
    it('never touch each other’s stake, nodes and numbers', async () => {
        const market = await nodeMarket();
        const second = await joinProvider(market, market.stranger);
        const [before, nodeBefore] = [
            plain(await market.provider.getProviderState()),
            plain(await market.node.getNodeState()),
        ];
        const theirs = { ...market, provider: second, owner: market.stranger };

        const { node } = await registerNode(theirs);
        await changeNode({ ...theirs, node }, nodeChanges.offers([]));
        await close(theirs);
        market.blockchain.now! += 336 * HOUR;
        await node.sendClear(market.stranger.getSender(), { value: VALUE });

        expect(plain(await market.provider.getProviderState())).toEqual(before);
        expect(plain(await market.node.getNodeState())).toEqual(nodeBefore);
    });
});

/** The message that a wrapper's send would make, for sending several in one go. */
async function internalTo(
    { address }: SandboxContract<Provider>,
    send: (via: { send(args: { value: bigint; body?: Cell | null }): Promise<void> }) => Promise<unknown>,
) {
    const { internal } = await import('@ton/core');
    let message = internal({ to: address, value: 0n });
    await send({
        send: async ({ value, body }) => {
            message = internal({ to: address, value, body: body ?? undefined });
        },
    });
    return message;
}
