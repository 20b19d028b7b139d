export * from './chain';
export * from './confirmed';
export * from './messages';
export * from './node';
export * from './wallet';
