/** The reference that the contracts are compared with. */
export * from './faults';
export { holdOf } from './stake';
export * from './state';
