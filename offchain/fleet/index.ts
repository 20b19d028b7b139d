/** A provider's nodes: as their manifest describes them, as the chain has them, and the difference. */
export * from './catalogue';
export * from './manifest';
export * from './plan';
export * from './prices';
