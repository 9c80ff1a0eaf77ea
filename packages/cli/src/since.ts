import { hasWildcard, MAX_LAST_OF_PATTERN, parseCursor, parsePosition, type Since } from '@millrace/protocol';
import { parseDuration } from '@millrace/server/duration';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-code.ts';

export interface SinceOptions {
  readonly since?: string | undefined;
  readonly last?: number | undefined;
}

/**
 * Where `sub` begins to read: `earliest`, a position or cursor as given, an ISO time, or how long ago (`10m`).
 * `now` is in milliseconds since the Unix epoch.
 */
export function readSince(
  { since, last }: SinceOptions,
  topics: readonly string[],
  now: number,
): Since | undefined {
  if (since !== undefined && last !== undefined)
    throw new CliError('give --since or --last, not both', EXIT.usage);
  const pattern = topics.find(hasWildcard);
  if (pattern !== undefined && last !== undefined && last > MAX_LAST_OF_PATTERN) {
    throw new CliError(
      `--last is at most ${MAX_LAST_OF_PATTERN} for a pattern such as "${pattern}"; use --since with a time or earliest`,
      EXIT.usage,
    );
  }
  return last === undefined ? readText(since, now) : { last };
}

function readText(since: string | undefined, now: number): Since | undefined {
  if (since === undefined) return undefined;
  const ago = parseDuration(since);
  if (ago !== undefined) return { time: new Date(now - ago).toISOString() };
  if (/^\d{4}-\d{2}-\d{2}/.test(since)) {
    const time = Date.parse(since);
    if (Number.isNaN(time))
      throw new CliError(`"${since}" is not a time; write 2026-11-20T12:00:00Z`, EXIT.usage);
    return { time: new Date(time).toISOString() };
  }
  if (since === 'earliest' || parsePosition(since) !== undefined || parseCursor(since) !== undefined)
    return since;
  throw new CliError(
    `--since "${since}" cannot be read; write earliest, a position or cursor that you were given, 2026-11-20T12:00:00Z, or how long ago, such as 10m; \`sub\` takes snapshot as well`,
    EXIT.usage,
  );
}
