/** The client's process: an OpenAI-compatible API over paid, sealed queries. */
export { jobView, statusView, type JobView, type StatusView } from './views';
export { gatewayConfig, readGatewayConfig, type GatewayConfig, type GatewayConfigInput } from './config';
export { evidence, evidenceIn, type FaultEvidence } from './evidence';
export { clientKeys, readClientKeys, type ClientKeys } from './keys';
export { startGateway, type Gateway, type GatewayDeps } from './main';
export type { NodeChecks } from './nodeChecks';
export { configuredNodes, type NodeSource } from './nodes';
