import { MillraceError, parseCursor, parsePosition, type Since } from '@millrace/protocol';
import type { Start } from '../hub/opening.ts';

function bad(problem: string): never {
  throw new MillraceError(
    'bad-position',
    `since ${problem}; use a position "epoch:offset", a cursor, "earliest", "snapshot", {last: n} or {time: <ISO 8601>}`,
  );
}

/** Reads a `since` as it came from a client. Throws a `MillraceError` (`bad-position`). */
export function parseSince(since: Since | undefined): Start {
  if (since === undefined) return { kind: 'now' };
  if (typeof since === 'string') {
    if (since === 'earliest') return { kind: 'earliest' };
    if (since === 'snapshot') return { kind: 'snapshot' };
    const position = parsePosition(since);
    if (position !== undefined) return { kind: 'position', position };
    const cursor = parseCursor(since);
    return cursor === undefined
      ? bad(`${JSON.stringify(since.slice(0, 80))} cannot be read`)
      : { kind: 'cursor', cursor };
  }
  if ('last' in since) return { kind: 'last', count: since.last };
  if ('time' in since) {
    const timeMs = Date.parse(since.time);
    return Number.isNaN(timeMs) ? bad('.time is not an ISO 8601 time') : { kind: 'time', timeMs };
  }
  const position = parsePosition(`${since.epoch}:${since.offset}`);
  if (position === undefined) return bad('is not a position');
  return { kind: 'position', position, ...(since.id !== undefined && { id: since.id }) };
}
