import type { ServerMessage } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { SnapshotContent } from './snapshot.ts';

/** Answers which cursor stands at the event that is being encoded. Printed only when a dialect asks. */
export interface CursorSource {
  cursorText(): string;
}

/** Bytes to write. */
export interface Frame extends Buffer {
  /** Present where the payload was compressed: how much longer it was. */
  savedBytes?: number;
}

/** Several frames as one; what compression saved adds up. */
export function joinFrames(frames: readonly Frame[]): Frame {
  const [only] = frames;
  if (frames.length === 1 && only !== undefined) return only;
  const joined: Frame = Buffer.concat(frames);
  let savedBytes = 0;
  for (let i = 0; i < frames.length; i++) savedBytes += (frames[i] as Frame).savedBytes ?? 0;
  if (savedBytes > 0) joined.savedBytes = savedBytes;
  return joined;
}

/** One message as a dialect writes it, not framed yet: text, or bytes where the dialect is binary. */
export type Payload = string | Buffer;

/**
 * How one kind of client wants its bytes: framed, ready to be written. One event is encoded once per dialect and the
 * same bytes go to every session that speaks it, so nothing in them may depend on the session.
 *
 * `encodeEvent` is `frame(eventPayload(…))`, and `encodeMessage` likewise. The parts are for what is composed of several payloads and
 * then framed (and compressed) once: a batch.
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
  /** `attempt`: which delivery of an acknowledged message this is, where it is not the first; such bytes are one session's. */
  encodeEvent(event: StoredEvent, at: CursorSource, attempt?: number): Frame;
  /** `undefined` where this dialect's clients are not told. */
  encodeMessage(message: ServerMessage): Frame | undefined;
  encodeSnapshot(snapshot: SnapshotContent): Frame;
  /**
   * What goes right before the frame of a snapshot, so that a client which has got it resumes from `place`; `undefined` where
   * frames carry no place.
   */
  encodePlace(place: string): Frame | undefined;
  eventPayload(event: StoredEvent, at: CursorSource, attempt?: number): Payload;
  /** Event payloads of this dialect as one `batch` message; `undefined` where its clients get no batches. */
  batchPayload(events: readonly Payload[]): Payload | undefined;
  /** The bytes to write for one payload. */
  frame(payload: Payload): Frame;
}
