/** The Registry in each state of its table. */
import { registryChanges } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { caseMarket } from '../support/cases';
import { bodyWith } from '../support/schema';
import { CATALOGUE, CHANGE_DELAY, committeeOf, deployRegistry, Market, rulesWith, STAKE } from '../support/stake';
import { Accounts, castOf, withDisputes } from './cast';
import { named, NAMES, propose, VALUE } from './play';
import { Bodies, bodySentBy, Scene, scene, Scenes } from './scene';

const FAR = 0xffffffffn; // unix seconds

async function registryScene(market: Market): Promise<Scene> {
    const { blockchain, registry, codes, insurance } = market;
    const cast = await castOf(blockchain, NAMES);
    const { owner, worker } = cast.accounts as Required<Accounts>;
    const job = Buffer.alloc(32, 1); // no message to the Registry is about a case
    const launch = { value: VALUE, committee: committeeOf(3, 2), codes, catalogue: CATALOGUE };
    const announced = { ...named, owner, excessTo: owner, content: Cell.EMPTY };
    const bodies: Bodies = {
        Launch: await bodySentBy((via) => registry.sendLaunch(via, { ...launch, rules: rulesWith(insurance.address) })),
        RegisterProvider: bodyWith('RegisterProvider', { stake: STAKE, owner }),
        AskRules: bodyWith('AskRules'),
        AnnounceNode: bodyWith('AnnounceNode', announced),
        'AnnounceSelf: a new node': bodyWith('AnnounceSelf', { ...announced, first: true }),
        'AnnounceSelf: a change': bodyWith('AnnounceSelf', announced),
        AnnounceDemand: bodyWith('AnnounceDemand', { endsAt: FAR }),
        TopUpRegistry: bodyWith('TopUpRegistry'),
        ProposeChange: bodyWith('ProposeChange', { change: registryChanges.committee(committeeOf(4, 3)) }),
        ExecuteChange: bodyWith('ExecuteChange'),
        CancelChange: bodyWith('CancelChange'),
        SetPaused: bodyWith('SetPaused', { paused: true }),
        SetCatalogue: bodyWith('SetCatalogue'),
        ProposeGovernor: bodyWith('ProposeGovernor', { governor: worker }),
        AcceptGovernor: bodyWith('AcceptGovernor'),
    };
    const accounts = await withDisputes(cast, 'A3', job);
    return scene({ blockchain, account: registry.address, accounts, bodies });
}

export const registryScenes: Scenes = {
    new: async () => registryScene(await deployRegistry()),
    running: async () => registryScene(await caseMarket()),
    paused: async () => {
        const market = await caseMarket();
        await market.registry.sendSetPaused(market.governor.getSender(), { value: VALUE, paused: true });
        return registryScene(market);
    },
    waiting: async () => {
        const market = await caseMarket();
        await propose(market);
        market.blockchain.now! += CHANGE_DELAY - 1;
        return registryScene(market);
    },
    due: async () => {
        const market = await caseMarket();
        await propose(market);
        market.blockchain.now! += CHANGE_DELAY;
        return registryScene(market);
    },
    succession: async () => {
        const market = await caseMarket();
        const successor = await market.blockchain.treasury('successor');
        const { registry, governor } = market;
        await registry.sendProposeGovernor(governor.getSender(), { value: VALUE, governor: successor.address });
        return registryScene(market);
    },
};
