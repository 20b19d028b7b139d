/** The provider's process: answers queries for vouchers, and claims the vouchers' coins. */
export { askWorker, serveAdmin } from './admin';
export { forgetFailedStart, tellFailedStart, tellStopped } from './alerts/stopped';
export type { ClaimReport, ClaimWallet } from './claimSender';
export { readKeys, writeKeys } from './config';
export type { WorkerConfig, WorkerConfigInput, WorkerSeeds } from './config';
export { examine, examineMachine, examineOutside } from './doctor';
export type { DoctorReport, Finding } from './doctor';
export { restoreStore } from './restore';
export { workerConfig } from './schema';
export { startWorker } from './main';
export { claimOnce, earningsOnce, setIntakeOnce, statusOnce, sweepOnce } from './once';
export type { IntakeView } from './drain';
export type { Worker, WorkerParts } from './main';
export type { WorkerStatus } from './status';
export type { SweepPlan } from './sweeper';
