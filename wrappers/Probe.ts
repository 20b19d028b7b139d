/** For tests alone, and not exported from index.ts: what the contracts' shared functions answer on chain. */
export { Probe } from '../build/Probe/Probe_Probe';
