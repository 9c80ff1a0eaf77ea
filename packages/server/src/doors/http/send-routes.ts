import {
  BROADCAST_TOPIC,
  checkValue,
  inboxOf,
  MillraceError,
  type PublishResult,
  sessionTopicOf,
} from '@millrace/protocol';
import { EventFields } from '@millrace/protocol/client-message';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { findIdProblem, type Identity } from '../../auth/identity.ts';
import type { AuditedAction } from '../../services/audit.ts';
import type { Publisher } from '../../session/publisher.ts';
import type { Session } from '../../session/session.ts';
import { actorOf, broadcasterOf, type Guard } from './authentication.ts';
import type { HttpContext, HttpRouter } from './http-context.ts';
import { guardedAnswers, SECURED } from './route-docs.ts';
import { createShapeCheck } from './shape-check.ts';
import { checkTopic } from './topic-param.ts';
import { PublishResultShape } from './wire-shapes.ts';

/** The name of a direct send that has none. */
const DEFAULT_EVENT = 'system.notification';

const { event, data, source, key, priority, idempotencyKey } = EventFields;
const DirectSendShape = Type.Object(
  {
    event: Type.Optional({
      ...event,
      description: `Its name: what kind of event it is; \`${DEFAULT_EVENT}\` when missing.`,
    }),
    data,
    source,
    key,
    priority,
    idempotencyKey,
  },
  {
    description: 'What is said. Unknown fields are ignored.',
    examples: [{ data: { message: 'The shop closes in ten minutes.' }, priority: 'high' }],
  },
);
type DirectSend = Type.Static<typeof DirectSendShape>;

const ResultShape = Type.Object(
  {
    ...PublishResultShape.properties,
    reached: Type.Integer({
      minimum: 0,
      description:
        'Sessions of this node that were there for it when it was stored. Whoever comes later, or is connected to another node, is not counted; nor is anybody by a repeat.',
    }),
  },
  { description: 'The event is stored.' },
);
type SendResult = Type.Static<typeof ResultShape>;

const describeSend = (operationId: string, summary: string, description: string) =>
  ({
    ...SECURED,
    operationId,
    tags: ['Direct sends'],
    summary,
    description: `${description} Needs the role \`publisher\` or \`admin\`, and, where the token lists topics to publish to, that one.`,
    body: DirectSendShape,
    response: {
      200: ResultShape,
      ...guardedAnswers(
        'bad-json',
        'bad-utf8',
        'bad-message',
        'bad-topic',
        'bad-data',
        'unknown-event',
        'forbidden-key',
        'too-deep',
        'forbidden',
        'not-found',
        'sealed',
        'too-large',
        'unavailable',
        'unknown',
        'storage-full',
      ),
    },
  }) as const;

const BroadcastSchema = describeSend(
  'broadcast',
  'Send to everyone',
  'An event on `system.broadcast`, which every session of the entity gets without a subscription.',
);

const ToUserSchema = {
  ...describeSend(
    'sendToUser',
    'Send to a user',
    'An event in the user’s inbox `user.<id>`, which every session of the user gets without a subscription. The user need not be connected.',
  ),
  params: Type.Object({ user_id: Type.String({ description: 'The user’s id, as tokens say it.' }) }),
} as const;

const ToSessionSchema = {
  ...describeSend(
    'sendToSession',
    'Send to a session',
    'An event for one session of this node, which gets it without a subscription; `not-found` when there is none of that id.',
  ),
  params: Type.Object({ session_id: Type.String({ description: 'Its `connectionId`.' }) }),
} as const;

const ToChannelSchema = {
  ...describeSend(
    'sendToChannel',
    'Send to a channel',
    'An event on the topic of that name, for those who subscribe to it.',
  ),
  params: Type.Object({
    channel: Type.String({ description: 'A topic’s name, never a pattern.', examples: ['chat.lobby'] }),
  }),
} as const;

/** Where a direct send goes, and who is there for it. */
interface Target {
  readonly action: AuditedAction;
  /** Whom the audit names. */
  readonly target: Readonly<Record<string, string>>;
  readonly topic: string;
  readonly reaches: (session: Session) => boolean;
}

const readSend = createShapeCheck(DirectSendShape);

/** Sends by those who may broadcast: each is an event in the log, like any other ([SEND-1]). */
export function addSendRoutes(router: HttpRouter, guard: Guard, { doorway, audit }: HttpContext): void {
  const { connections, sessions } = doorway;

  const send = (request: FastifyRequest, { action, target, topic, reaches }: Target): Promise<SendResult> => {
    const sender = broadcasterOf(request);
    checkValue(request.body, sessions.limits.maxJsonDepth, '');
    const message = readSend(request.body, '');
    return audit.run(actorOf(request), { action, target }, async () => {
      const result = await publish(sessions.publisher, sender, topic, message);
      const reached = result.duplicate ? 0 : connections.of(sender.entityId).filter(reaches).length;
      return { ...result, reached };
    });
  };

  router.post('/api/v1/ws/broadcast', { ...guard, schema: BroadcastSchema }, async (request) =>
    send(request, { action: 'broadcast', target: {}, topic: BROADCAST_TOPIC, reaches: () => true }),
  );

  router.post('/api/v1/ws/send-to-user/:user_id', { ...guard, schema: ToUserSchema }, async (request) => {
    broadcasterOf(request);
    const userId = request.params.user_id;
    checkUserId(userId);
    const reaches = ({ identity }: Session) => identity?.userId === userId;
    return send(request, { action: 'send-to-user', target: { userId }, topic: inboxOf(userId), reaches });
  });

  router.post(
    '/api/v1/ws/send-to-session/:session_id',
    { ...guard, schema: ToSessionSchema },
    async (request) => {
      const { entityId } = broadcasterOf(request);
      const id = request.params.session_id;
      if (connections.find(entityId, id) === undefined) {
        throw new MillraceError('not-found', `there is no session ${JSON.stringify(id)} at this node`);
      }
      return send(request, {
        action: 'send-to-session',
        target: { connectionId: id },
        topic: sessionTopicOf(id),
        reaches: (session) => session.id === id,
      });
    },
  );

  router.post(
    '/api/v1/ws/send-to-channel/:channel',
    { ...guard, schema: ToChannelSchema },
    async (request) => {
      broadcasterOf(request);
      const topic = request.params.channel;
      checkTopic(topic);
      const reaches = (session: Session) => session.follows(topic);
      return send(request, { action: 'send-to-channel', target: { topic }, topic, reaches });
    },
  );
}

async function publish(
  publisher: Publisher,
  sender: Identity,
  topic: string,
  { data, ...message }: DirectSend,
): Promise<PublishResult> {
  const input = { event: DEFAULT_EVENT, ...message, topic, data: JSON.stringify(data), value: data };
  const [outcome] = await publisher.publish(sender, [input]);
  if (outcome instanceof MillraceError) throw outcome;
  if (outcome === undefined) throw new Error('the publisher left an event without an outcome');
  return outcome;
}

/** Throws a `MillraceError` for what is no user's id, since no token could bear it. */
function checkUserId(userId: string): void {
  const problem = findIdProblem(userId);
  if (problem === undefined) return;
  throw new MillraceError('bad-message', `path: "user_id" ${problem}`, { details: { path: '/user_id' } });
}
