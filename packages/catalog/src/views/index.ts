// Without schemas, so that a browser loads nothing else for them.
export type * from '../view.ts';
export * from './agents.ts';
export * from './alerts.ts';
export * from './chat.ts';
export * from './latest.ts';
export * from './metrics.ts';
export * from './newest-per-key.ts';
export * from './scan.ts';
export * from './task.ts';
export * from './tool.ts';
export * from './workflows.ts';
