/** The provider's process: serves queries for vouchers and turns vouchers into coins. */
export { askWorker, serveAdmin } from './admin';
export type { ClaimReport, ClaimWallet } from './claims';
export { readWorkerConfig, readKeys, workerConfig, writeKeys } from './config';
export type { WorkerConfig, WorkerConfigInput, WorkerSeeds } from './config';
export { restoreStore } from './restore';
export { claimOnce, startWorker, statusOnce } from './main';
export type { Worker, WorkerParts, WorkerStatus } from './main';
export type { NodeRecord } from './node';
