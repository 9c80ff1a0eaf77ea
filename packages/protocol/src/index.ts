// The checks, which load a schema compiler, are `@millrace/protocol/client-message`: servers need them, clients do not.
export type * from './client-message.ts';
export * from './code-meanings.ts';
export * from './codes.ts';
export * from './compiled-filter.ts';
export * from './control.ts';
export * from './cursor.ts';
export * from './direct-send.ts';
export * from './event.ts';
export * from './field-path.ts';
export * from './filter.ts';
export * from './inbox.ts';
export * from './json.ts';
export * from './limits.ts';
export * from './position.ts';
export * from './roles.ts';
export * from './segment.ts';
export * from './server-message.ts';
export * from './topic.ts';
