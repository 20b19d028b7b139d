/** The client's process: an OpenAI-compatible API over paid, sealed queries. */
export type { JobView, StatusView } from './views';
export { gatewayConfig, readGatewayConfig, type GatewayConfig, type GatewayConfigInput } from './config';
export { evidence, evidenceIn, type FaultEvidence } from './evidence';
export { clientKeys, type ClientKeys } from './keys';
export { startGateway, type Gateway, type GatewayDeps } from './main';
export type { NodeChecks } from './nodeChecks';
export type { NodeSource } from './nodeSource';
