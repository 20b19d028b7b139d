/** The access table of all contracts, and the messages of the schema that no contract receives. */
import { channel } from './channel';
import { dispute } from './dispute';
import { escrow } from './escrow';
import { library } from './library';
import { node } from './node';
import { provider } from './provider';
import { registry } from './registry';
import { ContractTable } from './table';

export const tables: ContractTable[] = [registry, provider, node, dispute, escrow, channel, library];

/** Why no contract receives a message of the schema. Each refuses it like any other message that it does not know. */
export const notReceived: Record<string, string[]> = {
    'the rest of a value, which goes to wallets': ['Excesses'],
    'changes that a ProposeChange carries': ['ReplaceRules', 'AddCode', 'ReplaceCommittee'],
    'changes and listings that a message to a Provider carries': [
        'ListNode',
        'SetOffers',
        'SetService',
        'SetKeys',
        'EndKey',
        'SetAttestation',
        'SetHardware',
        'NodeStopped',
    ],
    events: [
        'ProviderRegistered',
        'NodeAnnounced',
        'DemandAnnounced',
        'ChangeProposed',
        'ChangeExecuted',
        'ChangeCancelled',
        'WorkPaused',
        'CatalogueChanged',
        'GovernorChanged',
        'StakeSlashed',
        'CaseOpened',
    ],
};
