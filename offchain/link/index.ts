/** The wire between gateway and worker; the only part of either that the other knows. */
export * from './api';
export * from './causes';
export * from './frames';
export * from './opening';
export * from './records';
export * from './rules';
export * from './sealing';
