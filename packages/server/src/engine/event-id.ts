import { randomInt } from 'node:crypto';

/** Random text of `0-9 a-z`. */
export function randomBase36(length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += randomInt(36).toString(36);
  return text;
}

/** Ids that are unique in a deployment: a prefix that tells processes apart, and a counter. */
export function createEventIds(prefix: string = randomBase36(6)): () => string {
  let count = 0;
  return () => prefix + (++count).toString(36);
}
