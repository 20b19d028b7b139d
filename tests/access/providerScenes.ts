/** The Provider in each state of its table. */
import { listingCell, nodeChanges } from '@cocoon-market/wrappers';
import { Cell, toNano } from '@ton/core';
import { internal } from '@ton/sandbox';
import { report } from '../support/cases';
import { bodyWith } from '../support/schema';
import {
    BASE_STAKE,
    CHANGE_DELAY,
    DAY,
    joinedMarket,
    launchMarket,
    listingWith,
    Market,
    STAKE,
} from '../support/stake';
import { Accounts, Cast, castOf, withDisputes } from './cast';
import {
    demand,
    hardware,
    HOLD,
    messages,
    named,
    NAMES,
    newKeys,
    Play,
    play,
    propose,
    RESPONSE,
    SHARE,
    VALUE,
} from './play';
import { Bodies, Scene, scene, Scenes } from './scene';

const FREE = STAKE - BASE_STAKE - SHARE; // stake that no node requires
const YEAR = 365 * DAY;

interface ProviderScene {
    market: Market;
    cast: Cast;
    job?: Buffer; // hash; the Disputes of another one serve as well where there is no node
    nextNumber: number;
    value?: bigint;
}

/** The fault of FaultFound, said of the node of another number. */
function faultOfAnother({ reporter }: Required<Accounts>): Cell {
    const parties = bodyWith('FaultParties', { node: 7n });
    return bodyWith('Fault', { faultClass: 3n, amount: 1n, reporter, parties });
}

async function providerScene({ market, cast, job, nextNumber, value = VALUE }: ProviderScene): Promise<Scene> {
    const { blockchain, registry, codes } = market;
    const ofCase = await messages();
    const accounts = await withDisputes(cast, 'A3', job ?? (await play()).job.hash);
    const { owner, operator, worker } = accounts as Required<Accounts>;
    const next = await cast.nodeOf(nextNumber);
    const freed = { share: SHARE, gpus: 2n, ...named, closed: true, excessTo: owner };
    const found = { ...named, frozen: 1n };
    const [fault, code] = ofCase.FaultFound.refs;
    const started = { share: SHARE, gpus: 2n, codeVersion: 0n, byOwner: true };
    const replaced = { ...named, share: SHARE, gpus: 2n };
    const bodies: Bodies = {
        ...ofCase,
        Join: bodyWith('Join', { stake: STAKE, payout: worker, operator }),
        Adopt: bodyWith('Adopt'),
        AddStake: bodyWith('AddStake', { amount: 1n }),
        Unbond: bodyWith('Unbond', { amount: 1n }),
        CancelUnbonding: bodyWith('CancelUnbonding'),
        WithdrawStake: bodyWith('WithdrawStake'),
        'WithdrawStake: a nanoTON': bodyWith('WithdrawStake', { amount: 1n }),
        WithdrawSurplus: bodyWith('WithdrawSurplus'),
        SetOperator: bodyWith('SetOperator', { operator }),
        SetPayout: bodyWith('SetPayout', { payout: worker }),
        RegisterNode: bodyWith('RegisterNode', { code: codes.node, listing: listingCell(listingWith()) }),
        'ChangeNode: SetOffers': bodyWith('ChangeNode', { ...named, change: nodeChanges.offers([]) }),
        'ChangeNode: SetKeys': bodyWith('ChangeNode', { ...named, change: newKeys(blockchain.now!) }),
        'ReplaceHardware: the same share': bodyWith('ReplaceHardware', { ...replaced, change: hardware(2) }),
        'ReplaceHardware: a larger share': bodyWith('ReplaceHardware', { ...replaced, change: hardware(3) }),
        CloseNode: bodyWith('CloseNode', named),
        Unjail: bodyWith('Unjail'),
        RulesGiven: bodyWith('RulesGiven', {
            version: (await registry.getRegistryState()).rulesVersion,
            rules: await registry.getRules(),
        }),
        'ShareFreed: a closed node': bodyWith('ShareFreed', { ...freed, content: bodyWith('NodeStopped') }),
        'ShareFreed: a refused node': bodyWith('ShareFreed', freed),
        'FaultFound: about another node': bodyWith('FaultFound', {
            ...found,
            fault: faultOfAnother(accounts as Required<Accounts>),
            code,
        }),
        'FaultFound: with other code': bodyWith('FaultFound', { ...found, fault, code: codes.node }),
        RegisterProvider: bodyWith('RegisterProvider', { stake: STAKE, owner }),
        AskRules: bodyWith('AskRules'),
        AnnounceNode: bodyWith('AnnounceNode', { ...named, owner, excessTo: owner }),
        StartNode: bodyWith('StartNode', { ...started, registry: registry.address, owner, excessTo: owner }),
        ApplyChange: bodyWith('ApplyChange', { codeVersion: 0n, byOwner: true, excessTo: owner }),
        'ApplyChange: an operator': bodyWith('ApplyChange', { excessTo: operator }),
        ApplyHardware: bodyWith('ApplyHardware', { byOwner: true, excessTo: owner }),
        StopNode: bodyWith('StopNode', { byOwner: true, excessTo: owner }),
    };
    return scene({
        blockchain,
        account: cast.provider.address,
        accounts: { ...accounts, 'next Node': next.address },
        bodies,
        value,
        values: { Join: STAKE + VALUE },
    });
}

const listed = async (prepare: (played: Play) => Promise<void>, value = VALUE): Promise<Scene> => {
    const played = await play();
    await prepare(played);
    const { market, cast, job } = played;
    return providerScene({ market, cast, job: job.hash, nextNumber: 1, value });
};

const unbond = ({ market: { provider, owner } }: Play, amount = FREE) =>
    provider.sendUnbond(owner.getSender(), { value: VALUE, amount });

/** A demand of this query that nobody answers, decided. */
async function strike(played: Play, number: number): Promise<void> {
    const { market, cast, job } = played;
    const deadline = market.blockchain.now! - 1;
    const body = job.report.demand(job.accept({ number, deadline }));
    await report(market, 'demand', body, { by: cast.wallets.reporter });
    market.blockchain.now! += RESPONSE + 1;
    const dispute = await job.dispute('A3', number);
    await dispute.sendDecide(cast.wallets.reporter.getSender(), { value: await dispute.getCloseValue() });
}

async function jail(played: Play): Promise<void> {
    for (const number of [11, 12, 13]) {
        await strike(played, number);
    }
}

export const providerScenes: Scenes = {
    new: async () => {
        const market = await launchMarket();
        const cast = await castOf(market.blockchain, NAMES);
        const { address, init } = cast.provider;
        await market.stranger.send({ to: address, value: toNano('1'), init, bounce: false });
        return providerScene({ market, cast, nextNumber: 0 });
    },
    asked: async () => {
        const market = await launchMarket();
        const cast = await castOf(market.blockchain, NAMES);
        const { address, init } = cast.provider;
        const { owner, operator, worker } = cast.accounts as Required<Accounts>;
        const body = bodyWith('Join', { stake: STAKE, payout: worker, operator });
        const account = await market.blockchain.getContract(address);
        const message = { from: owner, to: address, value: STAKE + VALUE, body, stateInit: init };
        await account.receiveMessage(internal(message)); // and the Registry does not get what it sent
        return providerScene({ market, cast, nextNumber: 0 });
    },
    joined: async () => {
        const market = await joinedMarket();
        return providerScene({ market, cast: await castOf(market.blockchain, NAMES), nextNumber: 0 });
    },
    listed: () => listed(async () => {}),
    behind: () =>
        listed(async ({ market }) => {
            await propose(market);
            market.blockchain.now! += CHANGE_DELAY;
            await market.registry.sendExecuteChange(market.stranger.getSender(), { value: VALUE });
        }),
    unbonding: () => listed(async (played) => void (await unbond(played))),
    due: () =>
        listed(async (played) => {
            await unbond(played);
            played.market.blockchain.now! += HOLD;
        }),
    case: () =>
        listed(async (played) => {
            await unbond(played);
            played.market.blockchain.now! += HOLD;
            await demand(played);
        }),
    jailed: () => listed(jail),
    released: () =>
        listed(async (played) => {
            await jail(played);
            played.market.blockchain.now! += 7 * DAY;
        }),
    poor: () =>
        listed(async (played) => {
            await unbond(played, toNano('1'));
            played.market.blockchain.now! += 3 * YEAR;
        }, toNano('0.1')),
};
