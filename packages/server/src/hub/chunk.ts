import { PRIORITIES, type Priority } from '@millrace/protocol';
import type { StoredEvent } from '../engine/engine.ts';
import type { Frame } from './dialect.ts';

/** Bytes that are ready to be written, and what must be known of them until they are. */
export interface Chunk {
  readonly bytes: Frame;
  /** How many events it holds; 0 for messages. */
  readonly events: number;
  /**
   * Of live events: the first of each topic in it, from which they could be read again. Empty for messages and for what was read
   * from the log, which keep their place among everything else.
   */
  readonly starts: readonly StoredEvent[];
  /** The most urgent of its events: an index into `PRIORITIES`. */
  readonly rank: number;
  /** It must be written whatever happens, since nobody will read it from the log again. */
  readonly kept: boolean;
}

const RANKS: ReadonlyMap<Priority, number> = new Map(PRIORITIES.map((priority, rank) => [priority, rank]));

export const CRITICAL = 0;
export const HIGH = 1;
export const NORMAL = 2;

export function rankOf(priority: Priority): number {
  return RANKS.get(priority) ?? NORMAL;
}

/** Frames for one session alone. */
export function ownChunk(bytes: Frame): Chunk {
  return { bytes, events: 0, starts: NO_EVENTS, rank: NORMAL, kept: true };
}

/** A message about live events, the same for everyone; where they are to be read from the log, it goes as well. */
export function messageChunk(bytes: Frame): Chunk {
  return { bytes, events: 0, starts: NO_EVENTS, rank: NORMAL, kept: false };
}

const NO_EVENTS: readonly StoredEvent[] = [];
