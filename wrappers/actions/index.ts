/** One function for each thing a user does; scripts and the command line only parse, show and send. */
export * from './actor';
export * from './client';
export * from './disputes';
export * from './library';
export * from './provider';
export * from './registry';
