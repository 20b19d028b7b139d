/** Writers of message bodies, as generated: for whoever builds a message by hand, such as one that must be refused. */
export { storePostFail, storePostPiece, storePostVoucher, storeSubmitVerdict } from '../build/Dispute/Dispute_Dispute';
export { storeOpen, storeSetUp } from '../build/Escrow/Escrow_Escrow';
export { storePublish } from '../build/Library/Library_Library';
export {
    storeCaseOpened,
    storeChangeNode,
    storeRegisterNode,
    storeReplaceHardware,
} from '../build/Provider/Provider_Provider';
export { storeProposeChange } from '../build/Registry/Registry_Registry';
