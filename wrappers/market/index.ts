/** A market as an integrator sees it: providers, nodes, prices, jobs, receipts and what happens. */
export type { CodeConsent, MarketClient, TransactionName } from './chain';
export type { MarketPlace } from './deployment';
export { MarketError, type MarketErrorCode, UnknownModel } from './errors';
export type { JobHandle, JobRequest, PreparedSend, SpendKey } from './jobs';
export type { LiveNode } from './liveNode';
export { Market, type MarketOptions, type SellingProvider } from './market';
export {
    comparePrices,
    type JudgedNode,
    judgeNode,
    type ModelOffer,
    type NodeFilter,
    type SellingNode,
} from './offers';
export type { ChainFees, DepositAdvice, PriceQuote, QuoteRequest } from './quote';
export { verifyReceipt } from './receipt';
export type { FieldCheck, ReceiptField, ReceiptParts, ReceiptReport } from './receiptParts';
export { workerUrl } from './text';
export type { ClaimEvent, JobEvent, StopWatching, WatchOptions } from './watch';
