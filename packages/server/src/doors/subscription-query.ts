import { type Filter, MillraceError, parseFilter, type Since } from '@millrace/protocol';
import { checkClientMessage } from '@millrace/protocol/client-message';
import type { Start } from '../hub/opening.ts';
import { SLOW_POLICIES, type SlowPolicy } from '../hub/slow-queue.ts';
import type { SubscriptionOptions } from '../hub/subscription.ts';
import { parseSince } from '../session/since.ts';
import { misspeltParameter } from './query-names.ts';

/** What a query may say of a subscription. */
const PARAMETERS = ['since', 'last', 'time', 'filter', 'slow', 'consumer', 'token'] as const;

/** How many events `?last` without a number asks for. */
export const DEFAULT_LAST = 100;

/** What the query of a bare path or an event stream says of its subscription. */
export interface SubscriptionQuery {
  readonly start: Start;
  readonly options: SubscriptionOptions;
  /** It says where to begin, which a browser that reconnects by itself never does. */
  readonly asksForHistory: boolean;
  /** Reads the topic as this consumer. */
  readonly consumer: string | undefined;
}

/**
 * Reads `since` (a position, a cursor or `earliest`), `last`, `time`, `filter` (JSON) and `slow` of a URL's query;
 * `lastEventId` goes before all of them that say where to begin. `others` are names that the door itself knows. Throws a `MillraceError`:
 * `bad-position`, `bad-message`.
 */
export function readSubscriptionQuery(
  query: URLSearchParams,
  { others = [], lastEventId }: { readonly others?: readonly string[]; readonly lastEventId?: string } = {},
): SubscriptionQuery {
  const misspelt = misspeltParameter([...query.keys()], [...PARAMETERS, ...others]);
  if (misspelt !== undefined) throw misspelt;
  const filter = query.get('filter');
  const slow = query.get('slow');
  const consumer = query.get('consumer') ?? undefined;
  if (consumer !== undefined) checkConsumer(consumer, query);
  const since = sinceOf(query);
  return {
    asksForHistory: since !== undefined,
    consumer,
    start: startOf(since, lastEventId),
    options: {
      ...(filter !== null && { filter: readFilter(filter) }),
      ...(slow !== null && { slow: parseSlow(slow) }),
    },
  };
}

/** A browser comes back with the place it has reached, and the query it began with. */
function startOf(since: Since | undefined, lastEventId: string | undefined): Start {
  if (lastEventId === undefined || lastEventId === '') return parseSince(since);
  const start = parseSince(lastEventId);
  const resumes = start.kind === 'position' || start.kind === 'cursor';
  return resumes && since === 'snapshot' ? { ...start, orSnapshot: true } : start;
}

function checkConsumer(consumer: string, query: URLSearchParams): void {
  checkClientMessage({ type: 'subscribe', consumer });
  // [ACK-2]
  for (const option of ['filter', 'slow']) {
    if (query.has(option)) throw new MillraceError('bad-message', `${option} does not go with a consumer`);
  }
}

function sinceOf(query: URLSearchParams): Since | undefined {
  const [name, another] = ['since', 'last', 'time'].filter((each) => query.has(each));
  if (another !== undefined) {
    throw new MillraceError('bad-message', `query: give only one of ${name} and ${another}`, {
      details: { path: `/${another}` },
    });
  }
  if (name === undefined) return undefined;
  const text = query.get(name) ?? '';
  if (name === 'last') return { last: parseLast(text) };
  return name === 'time' ? { time: text } : text;
}

function parseLast(text: string): number {
  if (text === '') return DEFAULT_LAST;
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new MillraceError('bad-message', 'query: "last" must be a whole number, at least 1', {
    details: { path: '/last' },
  });
}

/** Reads a filter as JSON text. Throws a `MillraceError` (`bad-message`). */
export function readFilter(text: string): Filter {
  return parseFilter(parseJson(text));
}

function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MillraceError('bad-message', 'filter: the query is not JSON; percent-encode a JSON object');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new MillraceError('bad-message', 'filter: a JSON object of conditions is expected');
}

function parseSlow(text: string): SlowPolicy {
  const policy = SLOW_POLICIES.find((known) => known === text);
  if (policy !== undefined) return policy;
  throw new MillraceError('bad-message', `slow: must be one of ${SLOW_POLICIES.join(', ')}`);
}
