/** For tests alone, and not exported from index.ts: node code of another author. */
export { Foreign } from '../build/Foreign/Foreign_Foreign';
