// So that whoever declares events needs, and gets, no other copy of it.
export { default as Type } from 'typebox';
export * from './catalog.ts';
export type { DataProblem } from './data-problem.ts';
export * from './event-family.ts';
export * from './event-type.ts';
export * from './families/index.ts';
export * from './view.ts';
