export type { AuthenticateFunction, TokenRequest } from './auth/custom-provider.ts';
export type * from './clock.ts';
export * from './configuration.ts';
export type * from './engine/engine.ts';
export {
  createServer,
  type Listening,
  type MillraceServer,
  type PublishOptions,
  type ServerOptions,
} from './server.ts';
