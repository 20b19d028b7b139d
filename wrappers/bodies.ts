/**
 * Writers of message bodies, and the reader of a fault, as generated. They are for tests that build a message by hand,
 * such as one that must be refused, and are not exported from index.ts.
 */
export { storePostFail, storePostPiece, storePostVoucher, storeSubmitVerdict } from '../build/Dispute/Dispute_Dispute';
export { storeOpen, storeSetUp } from '../build/Escrow/Escrow_Escrow';
export { storePublish } from '../build/Library/Library_Library';
export {
    type Fault,
    loadFault,
    storeCaseOpened,
    storeCaseRules,
    storeChangeNode,
    storeFault,
    storeFaultClaim,
    storeFaultFound,
    storeFaultParties,
    storeRegisterNode,
    storeReplaceHardware,
    storeShareFreed,
    storeShareReleased,
    storeShareSlashed,
    storeStartNode,
} from '../build/Provider/Provider_Provider';
export { storeNodeAnnounced, storeProposeChange } from '../build/Registry/Registry_Registry';
