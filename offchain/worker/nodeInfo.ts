/** What the worker publishes about its node, see `nodeInfo` in the wire. */
import { type NodeInfo, wireVersions } from '../link';
import { type TokenizerName, tokenizerOfModel } from '../tokens';
import type { NodeAttestation } from './attestation';
import type { Channels } from './channels';
import type { WorkerContext } from './context';
import type { Costs } from './costs';

/** The tokenizer by which the node counts what no model server counts. */
export function tokenizerOf({ config }: Pick<WorkerContext, 'config'>, model: string): TokenizerName {
    return config.offers.find((offer) => offer.model === model)?.tokenizer ?? tokenizerOfModel(model);
}

export function nodeInfoOf(
    context: WorkerContext,
    { channels, costs, attestation }: { channels: Channels; costs: Costs; attestation: NodeAttestation },
): NodeInfo {
    const { backends, config, intake, payout, receiptKey, encryptionKey } = context;
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
        wire: [...wireVersions],
        offers: config.offers.map((offer) => ({
            ...offer,
            features: [...backends.featuresOf(offer.model)],
            tokenizer: tokenizerOf(context, offer.model),
            available: intake.isOpen && backends.isAvailable(offer.model),
        })),
        limits: { minStep, maxStep, maxParallel, maxAnswer, minNotice, minDeposit },
        channelCodes: channels.codes.map((code) => code.hash()),
    };
}
