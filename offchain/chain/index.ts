export * from './chain';
export * from './wallet';
