/** For tests alone, and not exported from index.ts: node code of another author, and what nodes and providers say to each other. */
export { Foreign } from '../build/Foreign/Foreign_Foreign';
export {
    type Fault,
    storeCaseRules,
    storeFault,
    storeFaultClaim,
    storeFaultFound,
    storeFaultParties,
    storeShareFreed,
    storeShareReleased,
    storeShareSlashed,
    storeStartNode,
} from '../build/Provider/Provider_Provider';
