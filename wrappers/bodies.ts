/**
 * Writers of message bodies, readers of a fault and of a case file, and both for the data of a node and of a Provider,
 * as generated. They are for tests that build a message or an account by hand, such as one that must be refused, or
 * look into a cell, and are not exported from index.ts.
 */
export {
    loadCaseFile,
    storePostFail,
    storePostPiece,
    storePostVoucher,
    storeSubmitVerdict,
} from '../build/Dispute/Dispute_Dispute';
export { storeOpen, storeSetUp } from '../build/Escrow/Escrow_Escrow';
export { loadNode$Data, type Node$Data, storeNode$Data } from '../build/Node/Node_Node';
export { storePublish } from '../build/Library/Library_Library';
export {
    type Fault,
    loadFault,
    loadProvider$Data,
    type Provider$Data,
    storeCaseOpened,
    storeCaseRules,
    storeChangeNode,
    storeFault,
    storeFaultClaim,
    storeFaultFound,
    storeFaultParties,
    storeProvider$Data,
    storeRegisterNode,
    storeReplaceHardware,
    storeShareFreed,
    storeShareReleased,
    storeShareSlashed,
    storeStartNode,
} from '../build/Provider/Provider_Provider';
export { storeNodeAnnounced, storeProposeChange } from '../build/Registry/Registry_Registry';
