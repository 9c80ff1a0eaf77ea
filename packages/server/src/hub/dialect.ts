import type { ServerMessage } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';

/** Answers which cursor stands at the event that is being encoded. Printed only when a dialect asks. */
export interface CursorSource {
  cursorText(): string;
}

/**
 * How one kind of client wants its bytes: framed, ready to be written. One event is encoded once per dialect and the
 * same bytes go to every session that speaks it, so nothing in them may depend on the session.
 */
export interface Dialect {
  /** Small and unique; encoded frames are kept in an array by it. */
  readonly index: number;
  readonly name: string;
  /**
   * Its frames carry the cursor. A frame of the live stream must then not be used in a replay, which may be ahead in
   * one topic and behind in another.
   */
  readonly carriesCursor: boolean;
  encodeEvent(event: StoredEvent, at: CursorSource): Buffer;
  /** `undefined` where this dialect's clients are not told. */
  encodeMessage(message: ServerMessage): Buffer | undefined;
}
