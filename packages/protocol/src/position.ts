/** A place in one topic's log. `offset` 0 is before the first event. Printed `epoch:offset`. */
export interface Position {
  /** Changes whenever the topic's history can no longer be trusted to be the same log. */
  readonly epoch: string;
  /** Offset of the last event that lies at or before this place. */
  readonly offset: number;
}

const POSITION = /^([A-Za-z0-9-]{1,64}):(0|[1-9][0-9]{0,15})$/;

export function formatPosition(position: Position): string {
  return `${position.epoch}:${position.offset}`;
}

/** Reads `epoch:offset`, or `undefined` when it is not one. */
export function parsePosition(text: string): Position | undefined {
  const match = POSITION.exec(text);
  if (match === null) return undefined;
  const offset = Number(match[2]);
  return Number.isSafeInteger(offset) ? { epoch: match[1] as string, offset } : undefined;
}
