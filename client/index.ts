/** What a program needs that buys at a market without a gateway. */
export type { ChainAccess } from './chain';
export { Client, type ClientOptions, type JobRequest } from './client';
export type { ClientLimits } from './context';
export type { TokenCounters } from './counting';
export * from './errors';
export { Answer, Job, type Settlement } from './job';
export type { Delta, Receipt } from './query';
export type { JobPhase } from './records';
export type { Message, Question } from './request';
export * from './store';
export type { Fetch } from './worker';
