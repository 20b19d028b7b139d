import { beginCell, Cell, toNano } from '@ton/core';

import { parseChange } from '../../wrappers/changes';
import { errors, opcodes } from '../../wrappers/protocol';
import { codeKinds, parseCommittee, parseRules, registryChanges } from '../../wrappers/Registry';
import { expectConserved, expectRefused } from '../support/chain';
import { WEAK_KEYS } from '../support/keys';
import { CHANGE_DELAY, committeeOf, HOUR, keyOf, launchMarket, Market, rulesWith } from '../support/stake';

const VALUE = toNano('1');

async function propose(
    { blockchain, registry, governor }: Market,
    change: Parameters<typeof registry.sendProposeChange>[1]['change'],
) {
    return expectConserved(blockchain, () =>
        registry.sendProposeChange(governor.getSender(), { value: VALUE, change }),
    );
}

async function pass(market: Market, change: Parameters<typeof propose>[1]) {
    await propose(market, change);
    market.blockchain.now! += CHANGE_DELAY;
    return expectConserved(market.blockchain, () =>
        market.registry.sendExecuteChange(market.stranger.getSender(), { value: VALUE }),
    );
}

/** ReplaceCommittee of these keys, all of which decide, so many in each cell. */
function packed(keys: bigint[], perCell: number[]): Cell {
    const cells = (from: number, [max, ...rest]: number[]): Cell => {
        const builder = beginCell();
        keys.slice(from, from + max).forEach((key) => builder.storeUint(key, 256));
        return (rest.length === 0 ? builder : builder.storeRef(cells(from + max, rest))).endCell();
    };
    const head = beginCell().storeUint(opcodes.ReplaceCommittee, 32);
    return head.storeUint(keys.length, 8).storeUint(keys.length, 8).storeRef(cells(0, perCell)).endCell();
}

/** The same ReplaceRules with this cell in the place of its rates, its only reference. */
function withRates(change: Cell, rates: Cell): Cell {
    const fields = change.beginParse();
    return beginCell().storeBits(fields.loadBits(fields.remainingBits)).storeRef(rates).endCell();
}

describe('Registry: changes that wait', () => {
    it('keeps the old rules until the delay has passed, then anyone executes', async () => {
        const market = await launchMarket();
        const { blockchain, registry, stranger, insurance } = market;
        const change = registryChanges.rules(rulesWith(insurance.address, { unbonding: 400 * HOUR }));

        await propose(market, change);
        blockchain.now! += CHANGE_DELAY - 1;
        const early = await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });
        expectRefused(early, { to: registry.address, exitCode: errors.ErrTooEarly });
        expect(parseRules(await registry.getRules())).toMatchObject({ version: 1, unbonding: 336 * HOUR });
        blockchain.now! += 1;
        await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });

        expect(parseRules(await registry.getRules())).toMatchObject({ version: 2, unbonding: 400 * HOUR });
        expect((await registry.getRegistryState()).change).toBeNull();
    });

    it('holds a change to the bounds when it is proposed', async () => {
        const market = await launchMarket();
        const { registry, insurance } = market;
        const tooShort = registryChanges.rules(rulesWith(insurance.address, { unbonding: 240 * HOUR - 1 }));

        const result = await propose(market, tooShort);

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongWindows });
    });

    it('takes one change at a time', async () => {
        const market = await launchMarket();
        const { registry } = market;
        await propose(market, registryChanges.committee(committeeOf(5, 4)));

        const result = await propose(market, registryChanges.committee(committeeOf(6, 4)));

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongState });
    });

    it('drops a change when the governor cancels it', async () => {
        const market = await launchMarket();
        const { blockchain, registry, governor, stranger } = market;
        await propose(market, registryChanges.committee(committeeOf(5, 4)));

        const refused = await registry.sendCancelChange(stranger.getSender(), { value: VALUE });
        await expectConserved(blockchain, () => registry.sendCancelChange(governor.getSender(), { value: VALUE }));
        const again = await registry.sendCancelChange(governor.getSender(), { value: VALUE });
        blockchain.now! += CHANGE_DELAY;
        const executed = await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });

        expectRefused(refused, { to: registry.address, exitCode: errors.ErrNotGovernor });
        expectRefused(again, { to: registry.address, exitCode: errors.ErrWrongState });
        expectRefused(executed, { to: registry.address, exitCode: errors.ErrWrongState });
        expect(parseCommittee(await registry.getCommittee()).keys.length).toBe(3);
    });

    it('does not execute a change twice', async () => {
        const market = await launchMarket();
        const { registry, stranger, insurance } = market;
        await pass(market, registryChanges.rules(rulesWith(insurance.address)));

        const result = await registry.sendExecuteChange(stranger.getSender(), { value: VALUE });

        expectRefused(result, { to: registry.address, exitCode: errors.ErrWrongState });
        expect((await registry.getRegistryState()).rulesVersion).toBe(2n);
    });

    it('replaces the committee, and refuses a weak one', async () => {
        const market = await launchMarket();
        await pass(market, registryChanges.committee(committeeOf(9, 6)));

        for (const weak of WEAK_KEYS) {
            const keys = [BigInt(`0x${weak.toString('hex')}`), keyOf('honest')];
            const result = await propose(market, registryChanges.committee({ threshold: 2, keys }));
            expectRefused(result, { to: market.registry.address, exitCode: errors.ErrWeakKey });
        }
        expect(parseCommittee(await market.registry.getCommittee())).toMatchObject({ threshold: 6 });
    });

    it('takes the keys of a committee three in a cell only, the size that fees and rent of a case count on', async () => {
        const market = await launchMarket();
        const keys = [...committeeOf(7, 7).keys].sort((a, b) => (a < b ? -1 : 1));

        for (const perCell of [
            [1, 1, 1, 1, 1, 1, 1],
            [0, 3, 3, 1],
            [3, 1, 3],
            [2, 3, 2],
            [3, 3, 1, 0],
        ]) {
            const result = await propose(market, packed(keys, perCell));
            expectRefused(result, { to: market.registry.address, exitCode: errors.ErrWrongCommittee });
        }
        await pass(market, packed(keys, [3, 3, 1]));

        expect(parseCommittee(await market.registry.getCommittee())).toEqual({ threshold: 7, keys });
    });

    it('takes the rates of all classes and nothing besides: nobody pays to carry more with every set of rules', async () => {
        const market = await launchMarket();
        const change = registryChanges.rules(rulesWith(market.insurance.address));
        const rates = change.refs[0];
        const copy = () => beginCell().storeSlice(rates.beginParse());

        for (const other of [
            copy().storeRef(Cell.EMPTY),
            copy().storeBit(false),
            copy().storeUint(0, 64),
            beginCell().storeBits(rates.bits.substring(0, rates.bits.length - 64)),
        ]) {
            const result = await propose(market, withRates(change, other.endCell()));
            expectRefused(result, { to: market.registry.address, exitCode: errors.ErrMalformed });
        }
        await pass(market, withRates(change, rates));

        expect(parseRules(await market.registry.getRules())).toMatchObject({ version: 2 });
    });

    it('adds node codes up to eight, each with new rules that name it', async () => {
        const market = await launchMarket();
        const { registry } = market;
        const codeOf = (version: number) => beginCell().storeUint(version, 8).endCell();
        await pass(market, registryChanges.code('escrow', codeOf(0))); // of the kind that comes next

        for (let version = 1; version < 8; version++) {
            await pass(market, registryChanges.code('node', codeOf(version)));
            const hash = BigInt(`0x${codeOf(version).hash().toString('hex')}`);
            expect(await registry.getCodeHash(BigInt(codeKinds.node), BigInt(version))).toBe(hash);
        }
        const ninth = await propose(market, registryChanges.code('node', beginCell().endCell()));

        const rules = parseRules(await registry.getRules());
        expect([rules.version, rules.nodeCodes.length]).toEqual([8, 8]);
        expectRefused(ninth, { to: registry.address, exitCode: errors.ErrTooManyVersions });
    });

    it('names the one code of Disputes from launch on, and the newest once there are more', async () => {
        const market = await launchMarket();
        const nameOf = (code: Cell) => ({
            hash: BigInt(`0x${code.hash().toString('hex')}`),
            depth: BigInt(code.depth()),
        });
        const next = beginCell().storeUint(1, 8).endCell();

        const first = parseRules(await market.registry.getRules());
        await pass(market, registryChanges.code('dispute', next));
        const second = parseRules(await market.registry.getRules());

        expect(first).toMatchObject({ version: 1, dispute: nameOf(market.codes.dispute) });
        expect(second).toMatchObject({ version: 2, dispute: nameOf(next) });
    });

    it('knows no version that was not added, and none beyond a kind, where the next kind begins', async () => {
        const { registry } = await launchMarket();
        const [kind, next] = [BigInt(codeKinds.provider), BigInt(codeKinds.node)];
        expect(await registry.getCodeDepth(next, 0n)).toBeGreaterThan(0n);

        for (const version of [1n, 7n, 8n]) {
            const asked = registry.getCodeDepth(kind, version);
            await expect(asked).rejects.toThrow(`exit_code: ${errors.ErrUnknownVersion}`);
        }
    });

    it('adds codes of other kinds without new rules', async () => {
        const market = await launchMarket();
        const { registry } = market;
        const code = beginCell().storeUint(1, 8).endCell();

        await pass(market, registryChanges.code('channel', code));

        expect(await registry.getCodeHash(BigInt(codeKinds.channel), 0n)).toBe(
            BigInt(`0x${code.hash().toString('hex')}`),
        );
        expect((await registry.getRegistryState()).rulesVersion).toBe(1n);
    });

    it('refuses a change of a kind it does not know, and a cut-off one', async () => {
        const market = await launchMarket();
        const { registry } = market;

        const unknown = await propose(market, beginCell().storeUint(0xc0c00123, 32).endCell());
        const cut = await propose(market, beginCell().storeUint(0xc0c00121, 32).storeUint(0, 8).endCell());
        const kind = await propose(
            market,
            beginCell().storeUint(0xc0c00121, 32).storeUint(5, 8).storeUint(1, 256).storeUint(1, 16).endCell(),
        );

        expectRefused(unknown, { to: registry.address, exitCode: errors.ErrUnknownChange });
        expectRefused(cut, { to: registry.address, exitCode: 9 });
        expectRefused(kind, { to: registry.address, exitCode: errors.ErrTooManyVersions });
    });

    it('tells a waiting code from one of another depth, which names other accounts', () => {
        const code = beginCell().storeRef(Cell.EMPTY).endCell();
        const change = registryChanges.code('dispute', code);
        const hash = BigInt(`0x${code.hash().toString('hex')}`);
        const head = beginCell().storeUint(opcodes.AddCode, 32).storeUint(codeKinds.dispute, 8).storeUint(hash, 256);
        const other = head.storeUint(7, 16).endCell();

        expect(parseChange(change)).toEqual({ kind: 'code', of: 'dispute', hash, depth: 1 });
        expect(parseChange(other)).toEqual({ kind: 'code', of: 'dispute', hash, depth: 7 });
    });

    it('takes proposals from nobody but the governor', async () => {
        const { registry, stranger } = await launchMarket();

        const change = registryChanges.committee(committeeOf(5, 4));
        const result = await registry.sendProposeChange(stranger.getSender(), { value: VALUE, change });

        expectRefused(result, { to: registry.address, exitCode: errors.ErrNotGovernor });
    });
});
