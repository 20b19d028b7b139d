/** What the worker publishes about its node, see `nodeInfo` in the wire. */
import { type NodeInfo, wireVersions } from '../link';
import { NO_ATTESTATION, type NodeAttestation } from './attestation';
import type { Channels } from './channels';
import type { WorkerContext } from './context';
import type { Costs } from './costs';
import { tokenizerOf } from './offers';
import { Refused } from './refusal';

/** Throws {@link Refused} while the node has no attestation: clients then come back, instead of seeing another tier. */
export function nodeInfoOf(
    context: WorkerContext,
    { channels, costs, attestation }: { channels: Channels; costs: Costs; attestation: NodeAttestation },
): NodeInfo {
    const { backends, config, disk, intake, offers, payout, processes, receiptKey, encryptionKey } = context;
    const { minStep, maxStep, maxParallel, maxAnswer, minNotice } = config.limits;
    const { minDeposit } = costs;
    const proof = attestation.current();
    if (proof === undefined) {
        throw new Refused('paused', `This worker takes no new work: ${NO_ATTESTATION}`);
    }
    return {
        network: config.network,
        node: config.node.toRawString(),
        provider: config.provider.toRawString(),
        payout: payout.toRawString(),
        receiptKey: receiptKey.publicKey,
        encryptionKey: encryptionKey.publicKey,
        attestation: proof,
        wire: [...wireVersions],
        offers: offers.current.map((offer) => {
            const features = [...backends.featuresOf(offer.model)];
            const hasRoom = disk.hasRoomForNotes || !features.includes('embeddings'); // it has no other endpoint
            const available = intake.isOpen && hasRoom && backends.isAvailable(offer.model);
            return { ...offer, features, tokenizer: tokenizerOf(offer), available };
        }),
        limits: { minStep, maxStep, maxParallel, maxAnswer, minNotice, minDeposit },
        channelCodes: channels.codes.map((code) => code.hash()),
        processes: processes.urls,
    };
}
