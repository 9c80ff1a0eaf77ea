import type { Sink } from '../hub/sink.ts';

/** What a session needs of its connection; each door brings one. */
export interface SessionSocket extends Sink {
  /** For lists and logs. */
  readonly remoteAddress: string;
  /** Asks the peer for a sign of life; the door reports it by `session.heard()`. */
  ping(): void;
  pauseReading(): void;
  resumeReading(): void;
  /** Closes with a number of the code table, after what was written. Idempotent. */
  close(code: number, reason: string): void;
}
