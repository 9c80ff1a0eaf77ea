import { formatPosition, isControlTopic, isHiddenFrom, MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { Engine, TopicHead } from '../../engine/engine.ts';
import { isoTime } from '../event-json.ts';
import { actorOf, administratorOf, type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { emptyAnswer, guardedAnswers, SECURED } from './route-docs.ts';
import { checkPattern, checkReadable, checkTopic, TopicParams } from './topic-param.ts';
import { sharedShape, type TopicBody } from './wire-shapes.ts';

const MAX_TOPICS = 1000;
const DEFAULT_TOPICS = 100;
/** Topics that are looked at for one answer, which holds what the token may read of them. */
const MAX_SCANNED = 10_000;
const SCAN_PAGE = 1000;

const ListQuery = Type.Object({
  pattern: Type.Optional(
    Type.String({
      description: 'Which topics; without it all that the token may read.',
      examples: ['task.*'],
    }),
  ),
  after: Type.Optional(
    Type.String({ description: 'Topics after this name: the `next` of the page before.' }),
  ),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_TOPICS,
      description: `Most topics in the answer; ${DEFAULT_TOPICS} when missing.`,
    }),
  ),
});

const ListAnswer = Type.Object(
  {
    topics: Type.Array(sharedShape<TopicBody>('Topic'), { description: 'Sorted by name.' }),
    next: Type.Optional(
      Type.String({
        description:
          'There may be more: ask again with `after` set to it. A page may be short and not the last.',
      }),
    ),
  },
  { description: 'One page.' },
);

const ListSchema = {
  ...SECURED,
  operationId: 'listTopics',
  tags: ['Topics'],
  summary: 'List topics',
  description:
    'Topics that match and that the token may read. A pattern that begins with `*` finds nobody’s inbox (`user.*`): ask for it by its name. Topics of sessions (`session.*`) and control topics (`control.*`) are not listed.',
  querystring: ListQuery,
  response: { 200: ListAnswer, ...guardedAnswers('bad-message', 'bad-topic', 'unavailable') },
} as const;

const ReadSchema = {
  ...SECURED,
  operationId: 'readTopic',
  tags: ['Topics'],
  summary: 'Read a topic’s head',
  description: 'How far the topic has come, and what is kept of it.',
  params: TopicParams,
  response: {
    200: sharedShape<TopicBody>('Topic', 'The topic’s head.'),
    ...guardedAnswers('bad-topic', 'forbidden', 'not-found', 'unavailable'),
  },
} as const;

const DeleteSchema = {
  ...SECURED,
  operationId: 'deleteTopic',
  tags: ['Topics'],
  summary: 'Delete a topic',
  description:
    'Removes the topic with its history. What is published to it later begins a new log, in a new epoch. Needs the role `admin`.',
  params: TopicParams,
  response: {
    204: emptyAnswer('The topic is gone.'),
    ...guardedAnswers('bad-topic', 'forbidden', 'not-found', 'unavailable'),
  },
} as const;

export function addTopicRoutes(
  router: HttpRouter,
  guard: Guard,
  { doorway, engine, audit }: HttpContext,
): void {
  const { hub } = doorway.sessions;

  router.get('/api/v1/topics', { ...guard, schema: ListSchema }, async (request) => {
    const { pattern, after = '', limit = DEFAULT_TOPICS } = request.query;
    if (pattern !== undefined) checkPattern(pattern);
    return listReadable(engine, identityOf(request), pattern, { after, limit });
  });

  router.get('/api/v1/topics/:topic', { ...guard, schema: ReadSchema }, async (request) => {
    const { topic } = request.params;
    const identity = identityOf(request);
    checkReadable(identity, topic);
    const head = await engine.head(identity.entityId, topic);
    if (head === undefined) throw noSuchTopic(topic);
    return topicBody(head);
  });

  router.delete('/api/v1/topics/:topic', { ...guard, schema: DeleteSchema }, async (request, reply) => {
    const { topic } = request.params;
    const { entityId } = administratorOf(request);
    checkTopic(topic);
    await audit.run(actorOf(request), { action: 'delete-topic', target: { topic } }, async () => {
      if (!(await hub.deleteTopic(entityId, topic))) throw noSuchTopic(topic);
    });
    return reply.code(204).send();
  });
}

/** Pages through the engine's topics, which know nothing of permissions. */
async function listReadable(
  engine: Engine,
  { entityId, permissions }: Identity,
  pattern: string | undefined,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<{ topics: TopicBody[]; next?: string }> {
  const topics: TopicBody[] = [];
  let from = after;
  for (let scanned = 0; scanned < MAX_SCANNED; ) {
    const heads = await engine.topics(entityId, pattern ?? '*', { after: from, limit: SCAN_PAGE });
    for (const head of heads) {
      if (topics.length === limit) return { topics, next: from };
      from = head.topic;
      const hidden = pattern === undefined ? isControlTopic(head.topic) : isHiddenFrom(pattern, head.topic);
      if (!hidden && permissions.mayRead(head.topic)) topics.push(topicBody(head));
    }
    if (heads.length < SCAN_PAGE) return { topics };
    scanned += heads.length;
  }
  return { topics, next: from };
}

function topicBody({ topic, position, firstOffset, bytes, sealed, timestamp, slot }: TopicHead): TopicBody {
  return {
    topic,
    position: formatPosition(position),
    firstOffset,
    events: position.offset - firstOffset + 1,
    bytes,
    sealed,
    ...(timestamp > 0 && { timestamp: isoTime(timestamp) }),
    durability: slot,
  };
}

function noSuchTopic(topic: string): MillraceError {
  return new MillraceError('not-found', `there is no topic "${topic}"`, { details: { topic } });
}
