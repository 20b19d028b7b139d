/** The client's process: an OpenAI-compatible API over paid, sealed queries. */
export { jobView, statusView, type JobView, type StatusView } from './views';
export { gatewayConfig, loadConfig, type GatewayConfig, type GatewayConfigInput } from './config';
export { evidence, evidenceIn, type Evidence } from './evidence';
export { clientKeys, readClientKeys, keptSeed, writeNewSeed, type ClientKeys } from './keys';
export { gatewayLog, startGateway, type Gateway, type GatewayDeps } from './main';
export { configuredNodes, type NodeRecord, type NodeSource } from './nodes';
