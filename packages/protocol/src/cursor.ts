/** One engine's share of a {@link Cursor}. */
export interface EngineCursor {
  /** The engine's own epoch; a cursor of another epoch cannot be resumed. */
  readonly epoch: string;
  /** For each partition the `seq` of the last event seen, 0 for none. */
  readonly seqs: readonly number[];
}

/**
 * A place in everything an entity's engines hold: one seq for each partition of each engine. It covers any number of
 * topics and patterns, and stays valid at every door and node.
 *
 * Printed as the engines' parts joined by `~`, each `<l|d><epoch>.<seq in base 36>[.<seq>…]`: `lk3f9.ya~d8sq2.4dq`.
 * Clients treat the text as opaque. The characters are safe in a URL query and in an SSE `id:`.
 */
export interface Cursor {
  readonly live?: EngineCursor;
  readonly durable?: EngineCursor;
}

const PART = /^([ld])([A-Za-z0-9-]{1,32})((?:\.[0-9a-z]{1,11}){1,256})$/;

function formatPart(letter: string, part: EngineCursor): string {
  let text = letter + part.epoch;
  for (const seq of part.seqs) text += `.${seq.toString(36)}`;
  return text;
}

export function formatCursor(cursor: Cursor): string {
  const live = cursor.live === undefined ? '' : formatPart('l', cursor.live);
  const durable = cursor.durable === undefined ? '' : formatPart('d', cursor.durable);
  return live !== '' && durable !== '' ? `${live}~${durable}` : live + durable;
}

/** Reads a printed cursor, or `undefined` when it is not one. */
export function parseCursor(text: string): Cursor | undefined {
  const cursor: { live?: EngineCursor; durable?: EngineCursor } = {};
  const parts = text.split('~', 3);
  if (parts.length > 2) return undefined;
  for (const part of parts) {
    const match = PART.exec(part);
    if (match === null) return undefined;
    const [, letter, epoch, tail] = match as unknown as [string, string, string, string];
    const seqs = tail
      .slice(1)
      .split('.')
      .map((seq) => Number.parseInt(seq, 36));
    if (!seqs.every(Number.isSafeInteger)) return undefined;
    const engine = letter === 'l' ? 'live' : 'durable';
    if (cursor[engine] !== undefined) return undefined;
    cursor[engine] = { epoch, seqs };
  }
  return cursor;
}

/** Whether everything up to the printed cursor `other` lies before the printed cursor `cursor` too, as far as can be told. */
export function coversCursor(cursor: string, other: string): boolean {
  if (cursor === other) return true;
  const [mine, its] = [parseCursor(cursor), parseCursor(other)];
  return (
    mine !== undefined &&
    its !== undefined &&
    coversPart(mine.live, its.live) &&
    coversPart(mine.durable, its.durable)
  );
}

function coversPart(part: EngineCursor | undefined, other: EngineCursor | undefined): boolean {
  if (other === undefined) return true;
  if (part?.epoch !== other.epoch) return false;
  return other.seqs.every((seq, partition) => (part.seqs[partition] ?? 0) >= seq);
}
