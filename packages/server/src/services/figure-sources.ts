import type { Clock } from '../clock.ts';
import type { Hub } from '../hub/hub.ts';
import type { LlmFigures } from '../llm/llm-figures.ts';
import type { Histogram } from '../metrics/histogram.ts';
import type { Bans } from '../session/bans.ts';
import type { ClientCounters } from '../session/client-counters.ts';
import type { Connections } from '../session/connections.ts';
import type { EventChecks } from '../session/event-checks.ts';
import type { Publisher } from '../session/publisher.ts';
import type { Violations } from '../session/violations.ts';
import type { HostFigures } from './host-figures.ts';
import type { LogCensus } from './log-census.ts';

/** Where the server's figures are counted. Everybody who shows them reads here; nobody counts for the sake of showing. */
export interface FigureSources {
  readonly clock: Clock;
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly checks: EventChecks;
  readonly connections: Connections;
  readonly counters: ClientCounters;
  readonly violations: Violations;
  readonly bans: Bans;
  readonly inbox: {
    /** Events that are not acknowledged yet, of the consumers that are read at this node. */
    pending(entityId?: string): number;
    readonly counters: { readonly acknowledged: number };
  };
  /** Of states that somebody asked for, and that the log is held for. */
  readonly views: {
    readonly cacheBytes: number;
    readonly cachedTopics: number;
    readonly counters: {
      readonly snapshots: number;
      readonly foldedEvents: number;
      readonly storedStates: number;
      readonly failures: number;
    };
  };
  readonly llm: LlmFigures;
  readonly census: LogCensus;
  readonly host: HostFigures;
  /** Of all sessions, as they were on the wire. */
  readonly traffic: { readonly bytesSent: number; readonly bytesReceived: number };
  /** Of each message that was compressed, once, however many sessions got it. */
  readonly compression: {
    readonly compressedMessages: number;
    readonly rawBytes: number;
    readonly compressedBytes: number;
  };
  /** Events of sessions' lives that were left out. */
  readonly sessionLife: { readonly dropped: number };
  /** Events of each commit of the durable engine. */
  readonly commitSizes: Histogram;
}

export const COMMIT_SIZE_BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500];
