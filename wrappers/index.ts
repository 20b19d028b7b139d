/** What integrators import. */
export * from './Channel';
export * from './Escrow';
export * from './Library';
export * from './Node';
export * from './Provider';
export * from './Registry';
export * from './actions';
export * from './codes';
export * from './keys';
export * from './money';
export * from './price';
export * from './prices';
export * from './protocol';
export * from './signed';
export * from './trace';
