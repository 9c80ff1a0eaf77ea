import type { Cursor } from '@millrace/protocol';
import type { Engine, ReadLimit, ReadResult } from '../engine/engine.ts';

/** Reads one topic after a cursor, as `Engine.read` does after a position. */
export async function readByCursor(
  engine: Engine,
  entity: string,
  topic: string,
  cursor: Cursor,
  limit: ReadLimit,
): Promise<ReadResult> {
  // The head before the page: what is stored in between is in the page, never skipped.
  const { head, seq, sealed } = await engine.read(entity, topic, { last: 0 }, limit);
  const page = await engine.readSince(entity, [topic], cursor, limit);
  if (!page.ok) return { ok: false, reason: page.reason, head, seq, sealed };
  const { events, behind } = page;
  const last = events.at(-1);
  if (last === undefined) return { ok: true, events, position: head, behind, head, seq, sealed };
  const { epoch, offset } = last;
  return {
    ok: true,
    events,
    position: { epoch, offset },
    behind,
    head: { epoch, offset: offset + behind },
    seq: last.seq,
    sealed: sealed || last.sealed,
  };
}
