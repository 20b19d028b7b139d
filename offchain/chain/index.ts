export * from './chain';
export * from './node';
export * from './wallet';
