/** What a program needs that buys at a market without a gateway. */
export { StreamedAnswer } from './answer';
export { Client, type ClientOptions, type OpenJobRequest } from './client';
export { ClientError, type ClientErrorCode, QueryRefused, WorkerBreach } from './errors';
export { ClientJob } from './job';
export * from './store';
export * from './types';
