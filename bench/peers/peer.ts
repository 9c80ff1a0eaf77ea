import type { Environment } from '../environment.ts';
import type { BenchEvent } from '../load/event.ts';
import type { Workload } from '../load/workload.ts';

/** A server that can be measured. */
export interface Peer {
  readonly name: string;
  /** Why it cannot run here, in words for the report; `undefined` when it can. */
  missing(environment: Environment): Promise<string | undefined>;
  start(workload: Workload, environment: Environment): Promise<RunningPeer>;
}

/** A server in a process of its own, and how to talk to it. */
export interface RunningPeer {
  readonly pid: number;
  readonly port: number;
  /** Path and query of the WebSocket endpoint for subscribers. */
  readonly path: string;
  readonly tls?: boolean;
  /** Subscribers offer permessage-deflate. */
  readonly deflate?: boolean;
  /** Frames that each subscriber sends first; `#` stands for its number. */
  readonly greetings: readonly string[];
  /** A subscriber is ready when so many messages contained the marker. */
  readonly ready?: { readonly marker: string; readonly times: number };
  /** Subscribes after a cut; `@` stands for the last position. */
  readonly resumeFrame?: string;
  /** One frame may carry several events. */
  readonly severalInFrame?: boolean;
  /** Missing where the server makes the events itself. */
  readonly connectPublisher?: () => Promise<PeerPublisher>;
  close(): Promise<void>;
}

/** Publishes through the server's own public interface. */
export interface PeerPublisher {
  /** Sends events at once, in one write where the protocol permits. */
  publish(events: readonly BenchEvent[]): void;
  /** Publications refused, or lost with the connection. */
  readonly failed: number;
  /** Publications that the server has yet to acknowledge. */
  readonly pending: number;
  close(): void;
}
