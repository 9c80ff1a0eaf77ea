export type * from './clock.ts';
export { systemClock } from './clock.ts';
export type * from './engine/engine.ts';
