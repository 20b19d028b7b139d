/** The reference that the contracts are compared with. */
export * from './faults';
export * from './state';
