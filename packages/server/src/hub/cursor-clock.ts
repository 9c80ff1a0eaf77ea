import { type Cursor, type EngineCursor, formatCursor } from '@millrace/protocol';
import type { EngineSlot, StoredEvent } from '../engine/engine.ts';
import type { CursorSource } from './dialect.ts';

/** A cursor that moves with the events it is shown. */
export class CursorClock implements CursorSource {
  #live: { epoch: string; seqs: number[] } | undefined;
  #durable: { epoch: string; seqs: number[] } | undefined;
  #text: string | undefined;

  constructor(start: Cursor) {
    this.#live = copyPart(start.live);
    this.#durable = copyPart(start.durable);
  }

  /** Moves to a cursor that is known to be later; a part that it lacks stays. */
  moveTo(cursor: Cursor): void {
    this.#live = copyPart(cursor.live) ?? this.#live;
    this.#durable = copyPart(cursor.durable) ?? this.#durable;
    this.#text = undefined;
  }

  /** Moves past one event. */
  advance(event: StoredEvent): void {
    const part = event.slot === 'live' ? this.#live : this.#durable;
    if (part === undefined) return;
    part.seqs[event.partition] = event.seq;
    this.#text = undefined;
  }

  now(): Cursor {
    const live = copyPart(this.#live);
    const durable = copyPart(this.#durable);
    return { ...(live && { live }), ...(durable && { durable }) };
  }

  cursorText(): string {
    this.#text ??= formatCursor(this.now());
    return this.#text;
  }

  /** The seq reached in one partition; 0 when the engine has none. */
  seq(slot: EngineSlot, partition: number): number {
    return (slot === 'live' ? this.#live : this.#durable)?.seqs[partition] ?? 0;
  }
}

function copyPart(part: EngineCursor | undefined): { epoch: string; seqs: number[] } | undefined {
  return part === undefined ? undefined : { epoch: part.epoch, seqs: [...part.seqs] };
}

/** Whether the event lies at or before the cursor. */
export function cursorCovers(
  cursor: Cursor,
  event: Pick<StoredEvent, 'slot' | 'partition' | 'seq'>,
): boolean {
  const part = cursor[event.slot];
  return part !== undefined && event.seq <= (part.seqs[event.partition] ?? 0);
}

/** Whether everything at or before `b` lies at or before `a`, given that both belong to the same engines. */
export function cursorReaches(a: Cursor, b: Cursor): boolean {
  return partReaches(a.live, b.live) && partReaches(a.durable, b.durable);
}

/** The place at or before `cursor` that has none of the events behind it. */
export function cursorBefore(cursor: Cursor, events: readonly StoredEvent[]): Cursor {
  const before = (part: EngineCursor, slot: EngineSlot): EngineCursor => {
    const seqs = [...part.seqs];
    for (const event of events) {
      if (event.slot === slot) seqs[event.partition] = Math.min(seqs[event.partition] ?? 0, event.seq - 1);
    }
    return { epoch: part.epoch, seqs };
  };
  return {
    ...(cursor.live && { live: before(cursor.live, 'live') }),
    ...(cursor.durable && { durable: before(cursor.durable, 'durable') }),
  };
}

/** The later place of two in each partition; `b` where the two belong to different engines. */
export function laterCursor(a: Cursor, b: Cursor): Cursor {
  const live = laterPart(a.live, b.live);
  const durable = laterPart(a.durable, b.durable);
  return { ...(live && { live }), ...(durable && { durable }) };
}

function laterPart(a: EngineCursor | undefined, b: EngineCursor | undefined): EngineCursor | undefined {
  if (a === undefined || b === undefined || a.epoch !== b.epoch) return b ?? a;
  return { epoch: b.epoch, seqs: b.seqs.map((seq, partition) => Math.max(seq, a.seqs[partition] ?? 0)) };
}

function partReaches(a: EngineCursor | undefined, b: EngineCursor | undefined): boolean {
  if (b === undefined) return true;
  if (a === undefined || a.epoch !== b.epoch) return false;
  return b.seqs.every((seq, partition) => (a.seqs[partition] ?? 0) >= seq);
}
