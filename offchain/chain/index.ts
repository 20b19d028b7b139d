export * from './chain';
export * from './confirmed';
export * from './node';
export * from './wallet';
