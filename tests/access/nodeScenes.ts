/** The Node in each state of its table. */
import { listingCell, nodeChanges } from '@cocoon-market/wrappers';
import { Cell, toNano } from '@ton/core';
import { bodyWith } from '../support/schema';
import { HOUR, joinedMarket, keyOf, listingWith, Market } from '../support/stake';
import { Accounts, Cast, castOf, withDisputes } from './cast';
import { demand, hardware, HOLD, messages, NAMES, newKeys, Play, play, SHARE, VALUE } from './play';
import { Bodies, Scene, scene, Scenes } from './scene';

const EVIDENCE = 120n * BigInt(HOUR);

async function nodeScene(
    market: Market,
    cast: Cast,
    reports: Bodies,
    at: number, // unix seconds, when the node was listed
): Promise<Scene> {
    const { blockchain, registry } = market;
    const { owner } = cast.accounts as Required<Accounts>;
    const listing = listingCell(listingWith());
    const applied = { codeVersion: 0n, byOwner: true, evidence: EVIDENCE, excessTo: owner };
    const change = (cell: Cell, byOwner = true) => bodyWith('ApplyChange', { ...applied, byOwner, change: cell });
    const self = bodyWith('AnnounceSelf', { owner, excessTo: owner });
    const bodies: Bodies = {
        ...(await messages()),
        ...reports,
        StartNode: bodyWith('StartNode', {
            ...applied,
            ...{ share: SHARE, gpus: 2n, registry: registry.address, owner, listing },
        }),
        'ApplyChange: SetOffers': change(nodeChanges.offers([])),
        'ApplyChange: SetService': change(nodeChanges.service(listingWith().service)),
        'ApplyChange: SetKeys': change(newKeys(at)),
        'ApplyChange: SetKeys by the operator': change(newKeys(at), false),
        'ApplyChange: EndKey': change(nodeChanges.endKey(keyOf('receipt'))),
        'ApplyChange: SetAttestation': change(nodeChanges.attestation()),
        'ApplyChange: SetHardware': change(hardware(2)),
        ApplyHardware: bodyWith('ApplyHardware', {
            ...{ codeVersion: 0n, byOwner: true, oldShare: SHARE, oldGpus: 2n, share: SHARE },
            ...{ hold: BigInt(HOLD), excessTo: owner, change: hardware(2) },
        }),
        StopNode: bodyWith('StopNode', { byOwner: true, evidence: EVIDENCE, hold: BigInt(HOLD), excessTo: owner }),
        ClearNode: bodyWith('ClearNode'),
        'AnnounceSelf: a new node': bodyWith('AnnounceSelf', { first: true, owner, excessTo: owner }),
        'AnnounceSelf: a change': self,
        ShareFreed: bodyWith('ShareFreed', { share: SHARE, gpus: 2n, closed: true, excessTo: owner }),
    };
    const accounts = await withDisputes(cast, 'A3', (await play()).job.hash);
    return scene({ blockchain, account: cast.node.address, accounts, bodies });
}

/** A report of each class about the job, with receipts of this moment. */
const reports = ({ job }: Play): Bodies => ({
    ReportTwice: job.report.twice(job.result(), job.fail()),
    ReportExcess: job.report.excess(job.result({ price: toNano('1') })),
    DemandAnswer: job.report.demand(job.accept()),
    ReportWrong: job.report.wrong(job.result()),
});

const open = async (prepare: (played: Play) => Promise<void>): Promise<Scene> => {
    const played = await play();
    const { market, cast } = played;
    const [bodies, at] = [reports(played), market.blockchain.now!];
    await prepare(played);
    return nodeScene(market, cast, bodies, at);
};

const close = ({ market: { provider, owner } }: Play) =>
    provider.sendCloseNode(owner.getSender(), { value: VALUE, number: 0 });

export const nodeScenes: Scenes = {
    new: async () => {
        const bodies = reports(await play());
        const market = await joinedMarket();
        const cast = await castOf(market.blockchain, NAMES);
        const { address, init } = cast.node;
        await market.stranger.send({ to: address, value: toNano('1'), init, bounce: false });
        return nodeScene(market, cast, bodies, market.blockchain.now!);
    },
    open: () => open(async () => {}),
    case: () => open(async (played) => void (await demand(played))),
    closed: () => open(async (played) => void (await close(played))),
    clearable: () =>
        open(async (played) => {
            await close(played);
            played.market.blockchain.now! += HOLD;
        }),
    refused: async () => {
        const bodies = reports(await play());
        const market = await joinedMarket();
        const { blockchain, registry, governor, provider, owner, codes } = market;
        await registry.sendSetPaused(governor.getSender(), { value: VALUE, paused: true });
        const listing = listingCell(listingWith());
        await provider.sendRegisterNode(owner.getSender(), { value: VALUE, code: codes.node, listing });
        return nodeScene(market, await castOf(blockchain, NAMES), bodies, blockchain.now!);
    },
};
