import type { Sink } from '../hub/sink.ts';

/** What a session needs of its connection; each door brings one. */
export interface SessionSocket extends Sink {
  /** For lists and logs. */
  readonly remoteAddress: string;
  /** Asks the peer for a sign of life; the door reports it by `session.heard()`. */
  ping(): void;
  pauseReading(): void;
  resumeReading(): void;
  /**
   * How much there is of a message that the peer has begun and not ended; `undefined` at any other time, and while
   * nothing is read. Control frames in between do not count.
   */
  readonly unfinishedBytes: number | undefined;
  /** Closes with a number of the code table, after what was written. Idempotent. */
  close(code: number, reason: string): void;
  /**
   * The same for a peer that is not expected to take part: nothing more is read of it, and it is let go of as soon as it
   * was told, or `graceMs` later: what is sent on meanwhile would else take the telling with it.
   */
  drop(code: number, reason: string, graceMs: number): void;
  /** Lets go of the connection at once. Idempotent. */
  destroy(): void;
}
