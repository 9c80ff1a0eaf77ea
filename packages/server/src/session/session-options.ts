import type { Dialect } from '../hub/dialect.ts';
import type { SessionSocket } from './session-socket.ts';
import type { SessionSubscriptions } from './session-subscriptions.ts';

export type DoorName = 'websocket' | 'bare' | 'sse';

export interface SessionOptions {
  readonly id: string;
  readonly door: DoorName;
  readonly dialect: Dialect;
  /** What it speaks from its first subscription to a `stream` on; missing where its clients know none ([PLAIN-2]). */
  readonly flatDialect?: Dialect | undefined;
  readonly socket: SessionSocket;
  /** Turns what came from the socket into an object; throws a `MillraceError`. */
  readonly decode: (data: Buffer, isBinary: boolean) => Record<string, unknown>;
  /** The name of the protocol that `welcome` confirms. */
  readonly protocol: string;
  /** When its connection was accepted, monotonic ms; now when missing. */
  readonly acceptedMs?: number;
  /** Called once when the session is open: for doors whose URL says what the client wants. */
  readonly opened?: ((subscriptions: SessionSubscriptions) => Promise<void>) | undefined;
}
