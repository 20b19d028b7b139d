/** What the worker publishes about its node, see `nodeInfo` in the wire. */
import type { NodeInfo } from '../link';
import type { NodeAttestation } from './attestation';
import type { Channels } from './channels';
import type { WorkerContext } from './context';
import type { Costs } from './costs';

export function nodeInfoOf(
    { config, payout, receiptKey, encryptionKey }: WorkerContext,
    { channels, costs, attestation }: { channels: Channels; costs: Costs; attestation: NodeAttestation },
): NodeInfo {
    const { minStep, maxStep, maxParallel, maxAnswer, minNotice } = config.limits;
    const { minDeposit } = costs;
    return {
        network: config.network,
        node: config.node.toRawString(),
        provider: config.provider.toRawString(),
        payout: payout.toRawString(),
        receiptKey: receiptKey.publicKey,
        encryptionKey: encryptionKey.publicKey,
        attestation: attestation.current(),
        offers: config.offers,
        limits: { minStep, maxStep, maxParallel, maxAnswer, minNotice, minDeposit },
        channelCodes: channels.codes.map((code) => code.hash()),
    };
}
