/**
 * Writers of message bodies, and readers of a fault and of a case file, as generated. They are for tests that build a
 * message by hand, such as one that must be refused, or look into a cell, and are not exported from index.ts.
 */
export {
    loadCaseFile,
    storePostFail,
    storePostPiece,
    storePostVoucher,
    storeSubmitVerdict,
} from '../build/Dispute/Dispute_Dispute';
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
