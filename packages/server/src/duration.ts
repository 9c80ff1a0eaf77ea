/*
 * `@millrace/server/duration`: lengths of time as the configuration and the command line have them. It loads without either.
 */

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time as people write it: `500ms`, `30s`, `2m`, `1.5h`, `7d`. */
export type Duration = `${number}${keyof typeof UNIT_MS}`;

/** More than nothing, as the source of a regular expression. */
export const DURATION_PATTERN = '^(?=.*[1-9])([0-9]{1,9}(?:\\.[0-9]{1,3})?)(ms|s|m|h|d)$';

const PATTERN = new RegExp(DURATION_PATTERN);

/** Reads a duration, or `undefined` where `text` is not one. */
export function parseDuration(text: string): number | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, amount, unit] = match as unknown as [string, string, keyof typeof UNIT_MS];
  return Number(amount) * UNIT_MS[unit];
}

/** A duration in milliseconds. Throws a `RangeError` where the text is not one. */
export function durationMs(text: Duration): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new RangeError(`"${text}" is not a duration; write one as "500ms", "30s", "2m", "1h" or "7d"`);
  return ms;
}
