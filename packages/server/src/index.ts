export type { AuthenticateFunction, TokenRequest } from './auth/custom-provider.ts';
export type * from './clock.ts';
export * from './configuration.ts';
export type * from './engine/engine.ts';
export type * from './llm/llm-provider.ts';
export { ProviderError } from './llm/provider-error.ts';
export type * from './millrace-server.ts';
export { createServer } from './server.ts';
