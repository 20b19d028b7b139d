export { InvalidField } from '../fields';
export * from './answer';
export * from './layout';
export * from './orders';
export * from './payloads';
export * from './tags';
export * from './terms';
