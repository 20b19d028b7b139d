/** The market that the scenes of Registry, Provider, Node and Dispute begin with, and messages of a case in it. */
import { nodeChanges, registryChanges } from '@cocoon-market/wrappers';
import { toNano } from '@ton/core';
import { caseMarket, CaseMarket, NodeJob, report } from '../support/cases';
import { DAY, HOUR, keyOf, listingWith, Market, RATE, rulesWith } from '../support/stake';
import { Cast, castOf } from './cast';
import { Bodies, bodyIn } from './scene';

/** The names that wallets have in tests/support/stake. */
export const NAMES = { worker: 'payout' };

export const VALUE = toNano('10'); // enough for any message
export const SHARE = 2n * RATE; // of the open node
export const RESPONSE = 24 * HOUR;
export const HOLD = 14 * DAY; // under the rules of the market

/** The fields by which a message to a Provider names node 0. */
export const named = { number: 0n, codeVersion: 0n };

export const hardware = (gpus: number) => nodeChanges.hardware({ ...listingWith().hardware, gpus });

/** New keys that are allowed on this day. */
export const newKeys = (now: number) =>
    nodeChanges.keys({ receiptKey: keyOf('another receipt'), encryptionKey: 7n, oldEndsAt: now + DAY });

/** Proposes other rules, which the Provider does not follow yet. */
export const propose = ({ registry, governor, insurance }: Market) => {
    const change = registryChanges.rules(rulesWith(insurance.address, { payoutDelay: HOUR }));
    return registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
};

export interface Play {
    market: CaseMarket;
    cast: Cast;
    job: NodeJob;
}

/** A market with one open node, and a job of the client on it. */
export async function play(): Promise<Play> {
    const market = await caseMarket();
    const cast = await castOf(market.blockchain, NAMES);
    const job = new NodeJob(market, cast.accounts.Channel!.hash, cast.accounts.Escrow!);
    return { market, cast, job };
}

/** The reporter demands the answer to query 1. */
export function demand({ market, cast, job }: Play) {
    return report(market, 'demand', job.report.demand(job.accept()), { by: cast.wallets.reporter });
}

/** Messages between the contracts as they were sent when a demand was made, answered, and decided. */
async function messagesOfACase(): Promise<Bodies> {
    const played = await play();
    const { market, cast, job } = played;
    const via = cast.wallets.reporter.getSender();
    const demanded = await demand(played);
    const dispute = await job.dispute('A3');
    const value = await dispute.getCloseValue();
    const opened = market.blockchain.snapshot();
    const answered = await dispute.sendVoucher(via, { value, result: job.result(), voucher: job.voucher(1) });
    await market.blockchain.loadFrom(opened);
    market.blockchain.now! += RESPONSE + 1;
    const decided = await dispute.sendDecide(via, { value });
    return {
        FaultFound: bodyIn(demanded, 'FaultFound'),
        OpenCase: bodyIn(demanded, 'OpenCase'),
        'CaseClosed: not guilty': bodyIn(answered, 'CaseClosed'),
        ReleaseShare: bodyIn(answered, 'ReleaseShare'),
        ShareReleased: bodyIn(answered, 'ShareReleased'),
        'CaseClosed: guilty': bodyIn(decided, 'CaseClosed'),
        SlashShare: bodyIn(decided, 'SlashShare'),
        ShareSlashed: bodyIn(decided, 'ShareSlashed'),
    };
}

let recorded: Promise<Bodies> | undefined;
/** The bodies of those messages, by their rows in the tables. */
export const messages = () => (recorded ??= messagesOfACase());
