/** The wire between gateway and worker; the only part of either that the other knows. */
export * from './api';
export * from './bounds';
export * from './causes';
export * from './features';
export * from './frames';
export * from './listed';
export * from './opening';
export * from './pieces';
export * from './records';
export * from './request';
export * from './rules';
export * from './sealing';
export * from './specialTokens';
