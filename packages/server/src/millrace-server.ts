import type { Server as HttpServer } from 'node:http';
import type { EventInput, PublishResult } from '@millrace/protocol';
import type { Logger } from 'pino';
import type { Authenticator } from './auth/authenticator.ts';
import type { AuthenticateFunction } from './auth/custom-provider.ts';
import type { Clock, Turns } from './clock.ts';
import type { Config, ConfigInput } from './config.ts';
import type { Engine } from './engine/engine.ts';
import type { LlmProvider } from './llm/llm-provider.ts';

export interface ServerOptions extends ConfigInput {
  /** Where relative paths of the configuration start; the current directory when missing. */
  readonly cwd?: string;
  /** Replaces the live and durable engines; the caller closes it. */
  readonly engine?: Engine;
  readonly clock?: Clock;
  readonly turns?: Turns;
  readonly logger?: Logger;
  /** The application's own way to check tokens, asked after the keys of the configuration. */
  readonly authenticate?: AuthenticateFunction;
  /** The application's own sources of answers, by name, beside those of the configuration. */
  readonly llmProviders?: Readonly<Record<string, LlmProvider>>;
  /** Folder of the built dashboard, served at `/`. */
  readonly dashboardDirectory?: string;
}

/** Where a server that listens can be reached. */
export interface Listening {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export type PublishOptions = Omit<EventInput, 'topic' | 'event' | 'data'> & { readonly entity?: string };

/** A running Millrace server. */
export interface MillraceServer {
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** Listens by itself, on `server.host` and `server.port`. Rejects when the port is taken. */
  listen(): Promise<Listening>;
  /**
   * Serves beside another application on its HTTP server: Millrace's own paths, or all below `prefix` (`/realtime`), are
   * taken, everything else goes where it went before. Call it after the application has added its request listener.
   * Throws a `TypeError` for a prefix that no path could begin with.
   */
  attach(server: HttpServer, options?: { prefix?: string }): void;
  /**
   * Publishes in-process, as the server itself. Rejects with a `MillraceError` when the event is not stored, or breaks a
   * rule that holds for every publisher: a name with a line break would be two lines of an event stream.
   */
  publish(topic: string, event: string, data: unknown, options?: PublishOptions): Promise<PublishResult>;
  /**
   * Says goodbye to every client, lets publications under way finish, and lets go of everything. Resolves when nothing
   * is left running. Idempotent.
   */
  close(): Promise<void>;
}
