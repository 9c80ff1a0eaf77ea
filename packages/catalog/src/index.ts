export * from './catalog.ts';
export * from './event-family.ts';
export * from './event-type.ts';
export * from './families/index.ts';
export * from './view.ts';
