import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { EventFamily } from '@millrace/catalog';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { AlertService } from '../../alerts/alert-service.ts';
import type { Analytics } from '../../analytics/analytics.ts';
import type { Engine } from '../../engine/engine.ts';
import type { SnapshotSource } from '../../hub/snapshot.ts';
import type { LlmService } from '../../llm/llm-service.ts';
import type { Processes } from '../../process/processes.ts';
import type { Audit } from '../../services/audit.ts';
import type { Statistics } from '../../services/statistics.ts';
import type { TokenRevocations } from '../../services/token-revocations.ts';
import type { Doorway } from '../doorway.ts';
import type { RequestMemoryBounds } from './request-memory.ts';

/** What the HTTP API is made of. Everything is shared with the other doors. */
export interface HttpContext {
  readonly doorway: Doorway;
  readonly engine: Engine;
  readonly snapshots: SnapshotSource;
  /** Every administrative action goes through it. */
  readonly audit: Audit;
  readonly processes: Processes;
  readonly revocations: TokenRevocations;
  /** Missing when the configuration wants none. */
  readonly alerts?: AlertService | undefined;
  readonly llm: LlmService;
  readonly statistics: Statistics;
  /** Unless the configuration wants none. */
  readonly analytics?: Analytics | undefined;
  /** `/metrics`, unless the configuration says that there is none. */
  readonly exposition?: MetricsExposition | undefined;
  /** Of the server, for `/healthz` and the OpenAPI document. */
  readonly version: string;
  /** Largest request body, in bytes: room for a batch of events, each of which has its own bound. */
  readonly maxBodyBytes: number;
  /** What bodies and answers under way may hold. */
  readonly requestBytes: RequestMemoryBounds;
  /**
   * Whose administrators see the node's own figures. Those sum over all entities, which nobody else may know of
   * ([AUTH-7]).
   */
  readonly operatorEntity: string;
  /** What the catalog knows, for the AsyncAPI document. */
  readonly families: readonly EventFamily[];
  /** Where clients reach this server, when a proxy stands in front: the documents say so. */
  readonly publicUrl?: string | undefined;
  /** What must work, beside the engine, for this node to be ready. */
  readonly healthChecks?: readonly HealthCheck[];
  /** Folder of the built dashboard; it may come into being later. */
  readonly dashboardDirectory?: string | undefined;
  /** Gets a line for each request, never with a token in it. */
  readonly logger?: HttpLogger | undefined;
}

export interface MetricsExposition {
  readonly contentType: string;
  /** Anybody may read it. Otherwise it is for the operator, and for this machine where nobody else can reach the server. */
  readonly isPublic: boolean;
  text(): Promise<string>;
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
  /** Answers a request, also one for which there is no route. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Lets go of everything, once requests under way are answered. Idempotent. */
  close(): Promise<void>;
}

/** The router that every group of routes adds itself to. */
export type HttpRouter = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
