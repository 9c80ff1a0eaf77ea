import {
  formatCursor,
  formatPosition,
  MillraceError,
  parsePosition,
  type RecoveryFailure,
} from '@millrace/protocol';
import Type from 'typebox';
import type { Engine, ReadFrom, ReadLimit, ReadResult, StoredEvent } from '../../engine/engine.ts';
import { readByCursor } from '../../hub/read-by-cursor.ts';
import { parseSince } from '../../session/since.ts';
import { eventJson } from '../event-json.ts';
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

const Limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_EVENTS,
    description: `Most events in the answer; ${DEFAULT_EVENTS} when missing. ${MAX_PAGE_BYTES / 1024 / 1024} MiB of data end it, too.`,
  }),
);

const TopicHistoryQuery = Type.Object({
  after: Type.Optional(
    Type.String({ description: 'After this position, `epoch:offset`.', examples: ['dk3f9-1:17'] }),
  ),
  since: Type.Optional(Type.String({ description: 'After this cursor; or `earliest`.' })),
  last: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_EVENTS, description: 'The newest n events, oldest first.' }),
  ),
  from: Type.Optional(
    Type.String({ description: 'At or after this time, ISO 8601.', examples: ['2026-11-20T12:00:00Z'] }),
  ),
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
  since: Type.Optional(Type.String({ description: 'After this cursor; `earliest` when missing.' })),
  limit: Limit,
});

const TopicHistorySchema = {
  ...SECURED,
  operationId: 'readTopicHistory',
  tags: ['Events'],
  summary: 'Read a topic’s history',
  description: [
    'One page of events, oldest first. At most one of `after`, `since`, `last` and `from` says where it begins; without',
    'any it begins with the oldest event kept. Go on with `after` set to the answer’s `position` until `behind` is 0.',
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
    'One page of the events of all topics that match, each topic’s in its order. Go on with `since` set to the answer’s',
    '`cursor` until `behind` is 0. The same cursor resumes at every other door: `Last-Event-ID`, `?since=`, `subscribe`.',
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
      const page = await readTopic(engine, identity.entityId, topic, request.query);
      if (!page.ok) throw cannotRecover(page.reason, { position: formatPosition(page.head) });
      const { events, position, behind, sealed } = page;
      return reply
        .type(JSON_TYPE)
        .send(pageJson(events, { position: formatPosition(position), behind, sealed }));
    },
  );

  router.get('/api/v1/events', { ...guard, schema: HistorySchema }, async (request, reply) => {
    const { topics, since = 'earliest', limit = DEFAULT_EVENTS } = request.query;
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
    const start = parseSince(since);
    if (start.kind !== 'cursor' && start.kind !== 'earliest') {
      throw new MillraceError(
        'bad-position',
        'since: many topics are read by a cursor or "earliest", not by a position',
      );
    }
    const from = start.kind === 'cursor' ? start.cursor : 'earliest';
    const page = await engine.readSince(entityId, patterns, from, limitOf(limit));
    if (!page.ok) throw cannotRecover(page.reason, { cursor: formatCursor(page.head) });
    return reply
      .type(JSON_TYPE)
      .send(pageJson(page.events, { cursor: formatCursor(page.cursor), behind: page.behind }));
  });
}

async function readTopic(
  engine: Engine,
  entity: string,
  topic: string,
  query: TopicHistoryQuery,
): Promise<ReadResult> {
  const from = readFrom(query);
  const limit = limitOf(query.limit ?? query.last ?? DEFAULT_EVENTS);
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
function readFrom({ after, since, last, from }: TopicHistoryQuery): ReadFrom | { readonly since: string } {
  const given = Object.entries({ after, since, last, from }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    throw new MillraceError(
      'bad-message',
      `query: give only one of ${given.map(([name]) => name).join(', ')}`,
      {
        details: { path: `/${given[1]?.[0]}` },
      },
    );
  }
  if (since !== undefined) return { since };
  if (last !== undefined) return { last };
  if (after !== undefined) {
    const position = parsePosition(after);
    if (position !== undefined) return { after: position };
    throw new MillraceError('bad-position', 'query: "after" is not a position "epoch:offset"');
  }
  if (from !== undefined) {
    const time = Date.parse(from);
    if (!Number.isNaN(time)) return { time };
    throw new MillraceError('bad-position', 'query: "from" is not an ISO 8601 time');
  }
  return { earliest: true };
}

function limitOf(maxEvents: number): ReadLimit {
  return { maxEvents, maxBytes: MAX_PAGE_BYTES };
}

export function cannotRecover(reason: RecoveryFailure, head: Record<string, string>): MillraceError {
  const message =
    reason === 'expired'
      ? 'retention has removed events after that place; reload your state, and read from the start or the head'
      : 'that place belongs to another log than there is now; reload your state, and read from the start';
  return new MillraceError(reason, message, { details: head });
}

/** Events are written as they are at every other door; `data` stays the JSON text that it is stored as. */
function pageJson(events: readonly StoredEvent[], rest: object): string {
  return `{"events":[${events.map((event) => eventJson(event)).join(',')}],${JSON.stringify(rest).slice(1)}`;
}
