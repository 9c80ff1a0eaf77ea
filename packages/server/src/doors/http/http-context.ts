import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Engine } from '../../engine/engine.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Publisher } from '../../session/publisher.ts';
import type { Doorway } from '../doorway.ts';

/** What the HTTP API is made of. Everything is shared with the other doors. */
export interface HttpContext {
  readonly doorway: Doorway;
  readonly engine: Engine;
  readonly hub: Hub;
  readonly publisher: Publisher;
  /** Of the server, for `/healthz` and the OpenAPI document. */
  readonly version: string;
  /** Largest request body, in bytes: room for a batch of events, each of which has its own bound. */
  readonly maxBodyBytes: number;
  /**
   * Whose administrators see the node's own figures. Those sum over all entities, which nobody else may know of
   * ([AUTH-7]).
   */
  readonly operatorEntity: string;
  /** What must work, beside the engine, for this node to be ready. */
  readonly healthChecks?: readonly HealthCheck[];
  /** Folder of the built dashboard; it may come into being later. */
  readonly dashboardDir?: string;
  /** Gets a line for each request, never with a token in it, and one for each administrative action. */
  readonly logger?: HttpLogger;
}

export interface HealthCheck {
  /** As `/healthz?verbose` shows it. */
  readonly name: string;
  /** Rejects with the reason when it fails. A check that takes over 2 s has failed. */
  check(): Promise<void>;
}

/** The part of a pino logger that is used. */
export interface HttpLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** The HTTP API, to be called by whoever owns the HTTP server. */
export interface HttpApi {
  /** Whether a path (without query) is the API's own, so that an embedding server can leave the others alone. */
  owns(path: string): boolean;
  /** Answers a request; what is not a route, too. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Idempotent. Requests under way are still answered. */
  close(): Promise<void>;
}
