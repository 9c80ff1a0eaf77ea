import type { EventFilter } from '@millrace/client';
import { findPatternProblem, findTopicProblem, MillraceError, parseFilter } from '@millrace/protocol';
import { parseDuration } from '@millrace/server/duration';
import { InvalidArgumentError } from 'commander';

/*
 * What options take, read from text; commander says which option was wrong.
 */

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

/** In milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('It must be a duration such as 500ms, 30s, 2m, 1h or 7d.');
}

/** For options that may be given several times, or once with commas. */
export function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',').map((item) => item.trim())];
}

export function topic(text: string): string {
  const problem = findTopicProblem(text);
  if (problem === undefined) return text;
  throw new InvalidArgumentError(`It ${problem}.`);
}

/** Topics and patterns, one an argument. */
export function patterns(text: string, before: readonly string[] = []): readonly string[] {
  const problem = findPatternProblem(text);
  if (problem === undefined) return [...before, text];
  throw new InvalidArgumentError(`It ${problem}. (Quote a pattern, so that the shell leaves its "*" alone.)`);
}

/** A filter as the server takes it; what is wrong with it is told before a server is asked for. */
export function filter(text: string): EventFilter {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError('It must be a JSON object such as {"types": ["task.failed"]}.');
  }
  try {
    parseFilter(value as Record<string, unknown>);
  } catch (error) {
    if (error instanceof MillraceError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
  // Just checked, by the rules that the type spells out.
  return value as EventFilter;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgumentError(`It is not JSON: ${(cause as Error).message}. (Quote it with '…'.)`);
  }
}
