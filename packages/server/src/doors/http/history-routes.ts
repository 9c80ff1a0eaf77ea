import {
  compileFilter,
  formatCursor,
  formatPosition,
  MAX_LAST_OF_PATTERN,
  MillraceError,
  parsePosition,
  type RecoveryFailure,
} from '@millrace/protocol';
import Type from 'typebox';
import type {
  Engine,
  ReadFrom,
  ReadLimit,
  ReadResult,
  ReadSinceFrom,
  ReadSinceResult,
  StoredEvent,
} from '../../engine/engine.ts';
import { EventSubject } from '../../hub/event-subject.ts';
import { readByCursor } from '../../hub/read-by-cursor.ts';
import { parseSince } from '../../session/since.ts';
import { eventJson } from '../event-json.ts';
import { DEFAULT_LAST, readFilter } from '../subscription-query.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { JSON_TYPE } from './json-body.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { checkPattern, checkReadable, TopicParams } from './topic-param.ts';
import { sharedShape } from './wire-shapes.ts';

const MAX_EVENTS = 1000;
const DEFAULT_EVENTS = 100;
/** Of event data in one answer; the event that reaches it is the last. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Events looked at for an answer while a filter lets none through. */
const MAX_FILTERED = 10_000;

const Limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_EVENTS,
    description: `Most events in the answer; ${DEFAULT_EVENTS} when missing. ${MAX_PAGE_BYTES / 1024 / 1024} MiB of data end it, too.`,
  }),
);

const Last = Type.Optional(
  Type.Integer({
    minimum: 1,
    'x-whenEmpty': DEFAULT_LAST,
    description: `Beginning with the newest n events, oldest first; \`?last\` alone is ${DEFAULT_LAST}.`,
  }),
);

const From = Type.Optional(
  Type.String({ description: 'At or after this time, ISO 8601.', examples: ['2026-11-20T12:00:00Z'] }),
);

const FilterText = Type.Optional(
  Type.String({
    description: [
      'A filter as JSON text: only events that it lets through are in the answer. Of a page without any, what follows',
      `is looked at as well, up to ${MAX_FILTERED} events.`,
    ].join(' '),
    examples: ['{"event":["task.failed"],"data.amount":{"gte":100}}'],
  }),
);

const TopicHistoryQuery = Type.Object({
  after: Type.Optional(
    Type.String({ description: 'After this position, `epoch:offset`.', examples: ['dk3f9-1:17'] }),
  ),
  since: Type.Optional(
    Type.String({ description: 'After this cursor or position (`next` of a page); or `earliest`.' }),
  ),
  last: Last,
  from: From,
  filter: FilterText,
  limit: Limit,
});
type TopicHistoryQuery = Type.Static<typeof TopicHistoryQuery>;

const HistoryQuery = Type.Object({
  topics: Type.Optional(
    Type.String({
      description: 'Topics and patterns, separated by commas; without it everything that the token may read.',
      examples: ['task.*,host.web-1'],
    }),
  ),
  since: Type.Optional(Type.String({ description: 'After this cursor; or `earliest`.' })),
  last: Last,
  from: From,
  filter: FilterText,
  limit: Limit,
});
type HistoryQuery = Type.Static<typeof HistoryQuery>;

const TopicHistorySchema = {
  ...SECURED,
  operationId: 'readTopicHistory',
  tags: ['Events'],
  summary: 'Read a topic’s history',
  description: [
    'One page of events, oldest first. At most one of `after`, `since`, `last` and `from` says where it begins; without',
    'any it begins with the oldest event kept. Go on with `since` set to the answer’s `next` while it has one.',
    '',
    'It is never a part as if it were the whole: when retention has removed events after the place that was asked for,',
    'the answer is 410 `expired`, and when that place belongs to another log, 409 `epoch`; `details.position` is the head.',
    'A topic that does not exist reads as an empty log.',
  ].join('\n'),
  params: TopicParams,
  querystring: TopicHistoryQuery,
  response: {
    200: sharedShape('TopicHistory', 'One page.'),
    ...guardedAnswers(
      'bad-message',
      'bad-topic',
      'bad-position',
      'forbidden',
      'expired',
      'epoch',
      'unavailable',
    ),
  },
} as const;

const HistorySchema = {
  ...SECURED,
  operationId: 'readHistory',
  tags: ['Events'],
  summary: 'Read the history of many topics',
  description: [
    'One page of the events of all topics that match, each topic’s in its order. At most one of `since`, `last` and `from`',
    'says where it begins, over all topics together; without any it begins with the oldest events kept. Go on with `since`',
    'set to the answer’s `next` while it has one. The cursor resumes at every other door: `Last-Event-ID`, `subscribe`.',
  ].join('\n'),
  querystring: HistoryQuery,
  response: {
    200: sharedShape('History', 'One page.'),
    ...guardedAnswers(
      'bad-message',
      'bad-topic',
      'bad-position',
      'forbidden',
      'expired',
      'epoch',
      'too-many-subscriptions',
      'unavailable',
    ),
  },
} as const;

export function addHistoryRoutes(router: HttpRouter, guard: Guard, { doorway, engine }: HttpContext): void {
  const { maxSubscriptions } = doorway.sessions.limits;

  router.get(
    '/api/v1/topics/:topic/events',
    { ...guard, schema: TopicHistorySchema },
    async (request, reply) => {
      const { topic } = request.params;
      const identity = identityOf(request);
      checkReadable(identity, topic);
      const { entityId } = identity;
      const page = await readFiltered(request.query, {
        first: (limit) => readTopic(engine, entityId, topic, request.query, limit),
        next: ({ position }, limit) => engine.read(entityId, topic, { after: position }, limit),
      });
      if (!page.ok) throw cannotRecover(page.reason, { position: formatPosition(page.head) });
      const { behind, sealed } = page;
      const position = formatPosition(page.position);
      return reply
        .type(JSON_TYPE)
        .send(pageJson(page, { position, behind, sealed, ...(behind > 0 && { next: position }) }));
    },
  );

  router.get('/api/v1/events', { ...guard, schema: HistorySchema }, async (request, reply) => {
    const { topics } = request.query;
    const { entityId, permissions } = identityOf(request);
    const patterns = topics?.split(',').map((pattern) => pattern.trim()) ?? permissions.readable();
    if (topics !== undefined && patterns.length > maxSubscriptions) {
      throw new MillraceError(
        'too-many-subscriptions',
        `topics: at most ${maxSubscriptions} topics and patterns`,
      );
    }
    for (const pattern of patterns) {
      checkPattern(pattern);
      if (permissions.maySubscribe(pattern)) continue;
      throw new MillraceError('forbidden', `the token does not permit reading "${pattern}"`);
    }
    const page = await readFiltered(request.query, {
      first: (limit) => engine.readSince(entityId, patterns, readSinceFrom(request.query), limit),
      next: (before, limit) => engine.readSince(entityId, patterns, before.cursor, limit),
    });
    if (!page.ok) throw cannotRecover(page.reason, { cursor: formatCursor(page.head) });
    const { behind } = page;
    const cursor = formatCursor(page.cursor);
    return reply
      .type(JSON_TYPE)
      .send(pageJson(page, { cursor, behind, ...(behind > 0 && { next: cursor }) }));
  });
}

type Filtered<Page> = Page & { readonly filtered?: number };

/** Reads one page, and the one after another. */
interface Pages<Page> {
  first(limit: ReadLimit): Promise<Page>;
  next(before: Extract<Page, { ok: true }>, limit: ReadLimit): Promise<Page>;
}

/**
 * One page without what the filter keeps back; `filtered` counts that. Where nothing is left of a page it reads on, so that
 * a filter that rarely matches needs few requests.
 */
async function readFiltered<Page extends ReadResult | ReadSinceResult>(
  { filter: text, limit, last }: Pick<HistoryQuery, 'filter' | 'limit' | 'last'>,
  pages: Pages<Page>,
): Promise<Filtered<Page>> {
  const { matches } = compileFilter(text === undefined ? [] : readFilter(text));
  const maxEvents = Math.min(limit ?? last ?? DEFAULT_EVENTS, MAX_EVENTS);
  const pageLimit = { maxEvents, maxBytes: MAX_PAGE_BYTES };
  let page = await pages.first(pageLimit);
  if (text === undefined) return page;
  for (let looked = 0; page.ok; ) {
    looked += page.events.length;
    const events = page.events.filter((event) => matches(new EventSubject(event)));
    const done = events.length > 0 || page.behind === 0 || looked >= MAX_FILTERED;
    // The same page, with fewer events.
    if (done) return { ...page, events, filtered: looked - events.length } as Filtered<Page>;
    page = await pages.next(page as Extract<Page, { ok: true }>, pageLimit);
  }
  return page;
}

async function readTopic(
  engine: Engine,
  entity: string,
  topic: string,
  query: TopicHistoryQuery,
  limit: ReadLimit,
): Promise<ReadResult> {
  const from = readFrom(query);
  if (!('since' in from)) return engine.read(entity, topic, from, limit);
  const start = parseSince(from.since);
  switch (start.kind) {
    case 'earliest':
      return engine.read(entity, topic, { earliest: true }, limit);
    case 'position':
      return engine.read(entity, topic, { after: start.position }, limit);
    case 'cursor':
      return readByCursor(engine, entity, topic, start.cursor, limit);
    default:
      throw new MillraceError('bad-position', 'since is neither a cursor, a position nor "earliest"');
  }
}

/** Where the query says that the page begins. */
function readFrom(query: TopicHistoryQuery): ReadFrom | { readonly since: string } {
  const { after, since, last, from } = query;
  refuseSeveral({ after, since, last, from });
  if (since !== undefined) return { since };
  if (last !== undefined) return { last };
  if (after !== undefined) {
    const position = parsePosition(after);
    if (position !== undefined) return { after: position };
    throw new MillraceError('bad-position', 'query: "after" is not a position "epoch:offset"');
  }
  return from === undefined ? { earliest: true } : { time: readTime(from) };
}

/** The same of a page of many topics. */
function readSinceFrom({ since, last, from }: HistoryQuery): ReadSinceFrom {
  refuseSeveral({ since, last, from });
  if (last !== undefined) {
    if (last <= MAX_LAST_OF_PATTERN) return { last };
    throw new MillraceError(
      'bad-position',
      `query: "last" is at most ${MAX_LAST_OF_PATTERN} over many topics`,
    );
  }
  if (from !== undefined) return { time: readTime(from) };
  const start = parseSince(since ?? 'earliest');
  if (start.kind === 'earliest') return 'earliest';
  if (start.kind === 'cursor') return start.cursor;
  throw new MillraceError(
    'bad-position',
    'since: many topics are read by a cursor or "earliest", not by a position',
  );
}

function refuseSeveral(starts: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(starts).filter((name) => starts[name] !== undefined);
  const [, another] = given;
  if (another === undefined) return;
  throw new MillraceError('bad-message', `query: give only one of ${given.join(', ')}`, {
    details: { path: `/${another}` },
  });
}

function readTime(text: string): number {
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new MillraceError('bad-position', 'query: "from" is not an ISO 8601 time');
}

export function cannotRecover(reason: RecoveryFailure, head: Record<string, string>): MillraceError {
  const message =
    reason === 'expired'
      ? 'retention has removed events after that place; reload your state, and read from the start or the head'
      : 'that place belongs to another log than there is now; reload your state, and read from the start';
  return new MillraceError(reason, message, { details: head });
}

/** Events are written as they are at every other door; `data` stays the JSON text that it is stored as. */
function pageJson(
  { events, filtered }: { readonly events: readonly StoredEvent[]; readonly filtered?: number },
  rest: object,
): string {
  return `{"events":[${events.map((event) => eventJson(event)).join(',')}],${JSON.stringify({ ...rest, filtered }).slice(1)}`;
}
