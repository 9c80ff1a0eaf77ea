import { inboxOf, MillraceError } from '@millrace/protocol';
import Type from 'typebox';
import type { Identity } from '../../auth/identity.ts';
import type { MessageStatus } from '../../inbox/message-status.ts';
import { type Guard, identityOf } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { checkReadable, TopicParams } from './topic-param.ts';
import { sharedShape } from './wire-shapes.ts';

const MAX_MESSAGES = 1000;
const DEFAULT_MESSAGES = 100;

const UserId = Type.String({ description: 'The user’s id.', examples: ['ann'] });
const UserParams = Type.Object({ user_id: UserId });
const MessageParams = Type.Object({
  user_id: UserId,
  message_id: Type.String({ description: 'The event’s `id`, as its publisher was told.' }),
});

const ListQuery = Type.Object({
  after: Type.Optional(
    Type.Integer({ minimum: 0, description: 'Messages after this offset: the `next` of the page before.' }),
  ),
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_MESSAGES,
      description: `Most messages in the answer; ${DEFAULT_MESSAGES} when missing.`,
    }),
  ),
});

const ListAnswer = Type.Object(
  {
    messages: Type.Unsafe<readonly MessageStatus[]>(Type.Array(sharedShape('MessageStatus'))),
    acked: Type.Integer({ description: 'Everything up to this offset is done with.' }),
    head: Type.Integer({ description: 'Offset of the newest message.' }),
    next: Type.Optional(Type.Integer({ description: 'There are more: ask again with `after` set to it.' })),
  },
  { description: 'One page, oldest first.' },
);

const WHO = 'For the user itself, and for those who may send to users (`publisher`, `admin`).';

const ListSchema = {
  ...SECURED,
  operationId: 'listInbox',
  tags: ['Inboxes'],
  summary: 'What became of a user’s messages',
  description: `The messages that are kept: until they are acknowledged, and for \`inbox.ttl\` at least. Their content is not shown. ${WHO}`,
  params: UserParams,
  querystring: ListQuery,
  response: { 200: ListAnswer, ...guardedAnswers('bad-message', 'forbidden', 'not-found', 'unavailable') },
} as const;

const ReadSchema = {
  ...SECURED,
  operationId: 'readMessageStatus',
  tags: ['Inboxes'],
  summary: 'What became of one message',
  description: `Also of one that is only a dead letter now. ${WHO}`,
  params: MessageParams,
  response: {
    200: sharedShape<MessageStatus>('MessageStatus', 'Its status.'),
    ...guardedAnswers('forbidden', 'not-found', 'unavailable'),
  },
} as const;

const AckSchema = {
  ...SECURED,
  operationId: 'acknowledge',
  tags: ['Inboxes'],
  summary: 'Acknowledge',
  description:
    'For clients that read an event stream as a consumer (`/events?topics=user.ann&consumer=inbox&format=full`): everything up to `offset` is done with, for all of the user’s sessions. At most up to what the consumer was sent.',
  params: TopicParams,
  body: Type.Object({
    consumer: Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^[^\\p{Cc}\\p{Cs}]*$',
      examples: ['inbox'],
    }),
    offset: Type.Integer({ minimum: 1, examples: [17] }),
  }),
  response: {
    200: Type.Object(
      { topic: Type.String(), consumer: Type.String(), acked: Type.Integer() },
      { description: 'Stored: how far the consumer has acknowledged.' },
    ),
    ...guardedAnswers(
      'bad-json',
      'bad-message',
      'bad-topic',
      'forbidden',
      'ack-ahead',
      'unavailable',
      'unknown',
    ),
  },
} as const;

export function addInboxRoutes(router: HttpRouter, guard: Guard, { doorway }: HttpContext): void {
  const { inbox } = doorway.sessions;

  router.get('/api/v1/users/:user_id/inbox', { ...guard, schema: ListSchema }, async (request) => {
    const identity = identityOf(request);
    const { user_id } = request.params;
    const topic = inboxToLookInto(identity, user_id);
    const { after = 0, limit = DEFAULT_MESSAGES } = request.query;
    const page = await inbox.status.list(identity.entityId, topic, { after, limit });
    if (page !== undefined) return page;
    // Somebody who never was sent anything has an empty inbox; of others it is not said that they exist.
    if (user_id === identity.userId) return { messages: [], acked: 0, head: 0 };
    throw new MillraceError('not-found', `there is no message for the user ${JSON.stringify(user_id)}`);
  });

  router.get(
    '/api/v1/users/:user_id/inbox/:message_id',
    { ...guard, schema: ReadSchema },
    async (request): Promise<MessageStatus> => {
      const identity = identityOf(request);
      const { user_id, message_id } = request.params;
      return inbox.status.find(identity.entityId, inboxToLookInto(identity, user_id), message_id);
    },
  );

  router.post('/api/v1/topics/:topic/ack', { ...guard, schema: AckSchema }, async (request) => {
    const identity = identityOf(request);
    const { topic } = request.params;
    checkReadable(identity, topic);
    const { consumer, offset } = request.body;
    return { topic, consumer, acked: await inbox.acknowledgeFor(identity, topic, consumer, offset) };
  });
}

function inboxToLookInto({ userId, permissions }: Identity, user: string): string {
  if (user !== userId && !permissions.mayBroadcast) {
    throw new MillraceError('forbidden', 'the token does not permit looking into the inbox of another user');
  }
  try {
    return inboxOf(user);
  } catch {
    throw new MillraceError('not-found', 'there is no such user');
  }
}
