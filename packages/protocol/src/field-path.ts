import type { FilterSubject } from './compiled-filter.ts';

/*
 * Fields of an event, as filters and rules name them: `event`, `source`, `key`, `topic`, `priority`, or
 * `data.<field>[.<field>…]`.
 */

/** Most fields of a path, `data` included. */
export const MAX_FIELD_DEPTH = 8;

/** The names that a path consists of: `['event']`, `['data', 'task_id']`. */
export type FieldPath = readonly string[];

export const ENVELOPE_FIELDS: readonly string[] = ['event', 'source', 'key', 'topic', 'priority'];

/** Why `text` names no field of an event, as the end of a sentence, or `undefined`. */
export function findFieldPathProblem(text: string): string | undefined {
  const parts = text.split('.');
  if (parts.length > MAX_FIELD_DEPTH) return `is deeper than ${MAX_FIELD_DEPTH} fields`;
  if (parts.some((part) => part === '' || part === '__proto__')) return 'is not a field path';
  if (parts.length === 1 ? ENVELOPE_FIELDS.includes(text) : parts[0] === 'data') return undefined;
  return `is not a field of an event; use ${ENVELOPE_FIELDS.join(', ')} or data.<field>`;
}

/** Reads one field of events. */
export interface FieldReader {
  /** Whether it looks into the data, which may have to be parsed for it. */
  readonly ofData: boolean;
  /** `undefined` when there is no such field. Never throws. */
  from(subject: FilterSubject): unknown;
}

/** The reader of a path that {@link findFieldPathProblem} has no objection to. */
export function fieldReader([root, ...fields]: FieldPath): FieldReader {
  switch (root) {
    case 'topic':
      return { ofData: false, from: ({ topic }) => topic };
    case 'event':
      return { ofData: false, from: ({ event }) => event };
    case 'source':
      return { ofData: false, from: ({ source }) => source };
    case 'key':
      return { ofData: false, from: ({ key }) => key };
    case 'priority':
      return { ofData: false, from: ({ priority = 'normal' }) => priority };
    default:
      return { ofData: true, from: (subject) => fieldOf(subject.data(), fields) };
  }
}

/** Only what the value has itself: nothing inherited can be asked for. */
function fieldOf(value: unknown, fields: readonly string[]): unknown {
  let at = value;
  for (const field of fields) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, field)) return undefined;
    at = (at as Record<string, unknown>)[field];
  }
  return at;
}
