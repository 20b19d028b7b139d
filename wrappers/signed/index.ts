export { InvalidField } from '../fields';
export * from '../keys';
export * from './answer';
export * from './layout';
export * from './orders';
export * from './payloads';
export * from './tags';
export * from './terms';
