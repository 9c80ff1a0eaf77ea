import { MAX_PUBLISH_BATCH, type MillraceEvent, PRIORITIES, type PublishResult } from '@millrace/protocol';
import { EventFields } from '@millrace/protocol/client-message';
import Type from 'typebox';
import type { Problem } from '../problem.ts';

/*
 * The shapes of bodies and answers. Requests are checked by them; answers only described, in the OpenAPI document:
 * the code that writes them is typed.
 */

/** A shape that the OpenAPI document describes once, by its name; `description` is of what it stands for here. */
export function sharedShape<Shape>(name: string, description?: string): Type.TUnsafe<Shape> {
  return Type.Unsafe<Shape>({ $ref: `${name}#`, ...(description !== undefined && { description }) });
}

const Topic = (description: string) => Type.String({ description, examples: ['task.build-7'] });
const Offset = (description: string) => Type.Integer({ minimum: 0, description });
const PrintedPosition = (description: string) => Type.String({ description, examples: ['dk3f9-1:17'] });
const Time = (description: string) => Type.String({ description, examples: ['2026-11-20T12:00:00.000Z'] });

export const EventInputShape = Type.Object(
  { topic: Topic('The topic to append to; never a pattern.'), ...EventFields },
  {
    $id: 'EventInput',
    description: 'What a publisher says of an event. Unknown fields are ignored.',
    examples: [
      {
        topic: 'task.build-7',
        event: 'task.progress',
        data: { task_id: 'build-7', progress: 40, message: 'linking' },
        idempotencyKey: 'build-7/progress/40',
      },
    ],
  },
);

export const CloudEventShape = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    type: EventFields.event,
    source: EventFields.event,
    id: Type.String({ minLength: 1, description: 'With `source` it is the idempotency key.' }),
    subject: EventFields.key,
    topic: Type.Optional(
      Topic('Extension attribute: the topic. Without it, the query `topic` says it for the whole request.'),
    ),
    data: Type.Optional(Type.Unknown({ description: '`null` when missing.' })),
  },
  {
    $id: 'CloudEvent',
    description:
      'CloudEvents 1.0: `type` becomes `event`, `subject` becomes `key`. Other attributes are ignored; `data_base64` is not supported.',
    examples: [
      {
        specversion: '1.0',
        type: 'transactions.new',
        source: '/shops/berlin',
        id: 'A-1042',
        topic: 'transactions.new',
        data: { transactionId: 'A-1042', amount: 12.5, merchant: 'Café' },
      },
    ],
  },
);
export type CloudEvent = Type.Static<typeof CloudEventShape>;

export const ProblemShape = Type.Object(
  {
    type: Type.Literal('about:blank'),
    title: Type.String({ description: 'What the status says.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    detail: Type.String({ description: 'What happened, where, and what to do. For people; it may change.' }),
    code: Type.String({ description: 'Stable: programs decide by this.' }),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later without change.' }),
    details: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'More, by code: `path` of a wrong field, the `position` of a conflict, `retryAfterMs`.',
      }),
    ),
  },
  {
    $id: 'Problem',
    description: 'An error, as RFC 9457 asks for it.',
    examples: [
      {
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        detail: '"/event" is missing',
        code: 'bad-message',
        retryable: false,
        details: { path: '/event' },
      },
    ],
  },
);
export const SharedProblem = sharedShape<Problem>('Problem');

export const PublishResultShape = Type.Object(
  {
    topic: Type.String(),
    id: Type.String({ description: 'The event’s id, unique in this deployment.' }),
    offset: Offset('Its number in the topic, from 1.'),
    epoch: Type.String({ description: 'The life of the topic’s log that it belongs to.' }),
    timestamp: Time('When it was stored.'),
    duplicate: Type.Optional(
      Type.Literal(true, {
        description: 'The idempotency key was known: this is the first publication’s result.',
      }),
    ),
  },
  {
    $id: 'PublishResult',
    description: 'The event is stored.',
    examples: [
      {
        topic: 'task.build-7',
        id: 'k3f9a1-4c',
        offset: 17,
        epoch: 'dk3f9-1',
        timestamp: '2026-11-20T12:00:00.000Z',
      },
    ],
  },
);

const SharedResult = sharedShape<PublishResult>('PublishResult');

export const PublishResultsShape = Type.Object(
  {
    results: Type.Array(Type.Union([SharedResult, Type.Object({ error: SharedProblem })]), {
      description: 'One for each event, in their order.',
    }),
  },
  { $id: 'PublishResults' },
);

export const EventShape = Type.Object(
  {
    type: Type.Literal('event'),
    topic: Type.String(),
    event: Type.String({ description: 'The event’s name.' }),
    id: Type.String(),
    offset: Offset('Its number in the topic, contiguous from 1.'),
    epoch: Type.String(),
    timestamp: Time('When it was stored; never decreases within a topic.'),
    data: Type.Unknown(),
    source: Type.Optional(Type.String()),
    key: Type.Optional(Type.String()),
    priority: Type.Optional(Type.Enum([...PRIORITIES], { description: 'Missing means `normal`.' })),
    sealed: Type.Optional(
      Type.Literal(true, { description: 'This event closed its topic: no other follows.' }),
    ),
  },
  {
    $id: 'Event',
    description: 'An event, byte for byte as the WebSocket door sends it.',
    examples: [
      {
        type: 'event',
        topic: 'task.build-7',
        event: 'task.progress',
        id: 'k3f9a1-4c',
        offset: 17,
        epoch: 'dk3f9-1',
        timestamp: '2026-11-20T12:00:00.000Z',
        data: { progress: 40 },
      },
    ],
  },
);
const Events = Type.Array(sharedShape<MillraceEvent>('Event'));

const PageEnd = {
  next: Type.Optional(
    Type.String({ description: 'Read on with `since` set to it; missing when `behind` is 0.' }),
  ),
  filtered: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: 'How many of the events looked at the filter has kept back; with a filter only.',
    }),
  ),
} as const;

export const TopicHistoryShape = Type.Object(
  {
    events: Events,
    position: PrintedPosition('After the last event that was looked at: subscribe `since` it.'),
    behind: Type.Integer({ minimum: 0, description: 'How many events follow this page; 0 at the head.' }),
    sealed: Type.Boolean({ description: 'The topic is closed: at `behind` 0 nothing follows, ever.' }),
    ...PageEnd,
  },
  { $id: 'TopicHistory' },
);

export const SnapshotShape = Type.Object(
  {
    topic: Type.String(),
    view: Type.String({ description: 'The view’s name.', examples: ['task'] }),
    position: PrintedPosition(
      'Everything at or before it is in the state: subscribe `since` it for what follows.',
    ),
    state: Type.Unknown({ description: 'What the view makes of the topic’s events.' }),
  },
  { $id: 'Snapshot' },
);

export const HistoryShape = Type.Object(
  {
    events: Events,
    cursor: Type.String({
      description:
        'After everything that was looked at: read on with `since`, or subscribe with it at any door.',
      examples: ['lk3f9.ya~d8sq2.4dq'],
    }),
    behind: Type.Integer({
      minimum: 0,
      description: 'How many events follow this page; 0 at the head.',
    }),
    ...PageEnd,
  },
  { $id: 'History' },
);

export const TopicShape = Type.Object(
  {
    topic: Type.String(),
    position: PrintedPosition('The newest event’s position.'),
    firstOffset: Offset('Of the oldest event that is kept; one past the newest when none is.'),
    events: Type.Integer({ minimum: 0, description: 'How many events are kept.' }),
    bytes: Type.Integer({
      minimum: 0,
      description: 'The length of their data as JSON text, in UTF-16 code units.',
    }),
    sealed: Type.Boolean({ description: 'The topic takes no more events.' }),
    timestamp: Type.Optional(Time('Of the newest event; missing when there was none.')),
    durability: Type.Enum(['durable', 'live'], {
      description: '`durable`: on disk before a publication is answered. `live`: in memory.',
    }),
  },
  { $id: 'Topic' },
);
export type TopicBody = Type.Static<typeof TopicShape>;

export const MessageStatusShape = Type.Object(
  {
    message_id: Type.String({ description: 'The event’s id.' }),
    status: Type.Enum(['pending', 'delivered', 'acknowledged', 'expired', 'failed'], {
      description:
        '`pending`: not sent yet. `delivered`: sent, not acknowledged. `expired`, `failed`: given up for age, or after the last delivery; a dead letter has it.',
    }),
    attempts: Type.Integer({ minimum: 0, description: 'How often it was sent.' }),
    expires_at: Time('When it is given up, unless acknowledged.'),
    offset: Offset('Its number in the inbox.'),
    event: Type.String({ description: 'The event’s name.' }),
    timestamp: Time('When it was stored.'),
  },
  { $id: 'MessageStatus' },
);

export const ConnectionShape = Type.Object(
  {
    connectionId: Type.String(),
    userId: Type.String(),
    entityId: Type.String(),
    door: Type.Enum(['websocket', 'bare', 'sse']),
    subscriptions: Type.Array(Type.String()),
    rooms: Type.Array(Type.String()),
    connectedAt: Time('When it was opened.'),
    lastActivity: Time('When the client was last heard.'),
    state: Type.Enum(['open', 'lagging', 'draining'], {
      description: '`lagging`: it reads slower than its topics are written, and is served from the log.',
    }),
  },
  { $id: 'Connection' },
);

export const BanShape = Type.Object(
  {
    id: Type.String(),
    kind: Type.Enum(['user', 'address'], { description: 'What was banned.' }),
    entityId: Type.Optional(Type.String({ description: 'Of a user.' })),
    userId: Type.Optional(Type.String()),
    address: Type.Optional(
      Type.String({
        description: 'An IPv4 address, or an IPv6 network of 64 bits.',
        examples: ['203.0.113.7'],
      }),
    ),
    reason: Type.String({ description: 'What it did.' }),
    bannedAt: Time('Since when.'),
    expiresAt: Time('Until when.'),
  },
  { $id: 'Ban' },
);
export type BanBody = Type.Static<typeof BanShape>;

/** Everything that has a name in the OpenAPI document. */
export const SHARED_SHAPES: readonly Type.TSchema[] = [
  EventInputShape,
  CloudEventShape,
  ProblemShape,
  PublishResultShape,
  PublishResultsShape,
  EventShape,
  TopicHistoryShape,
  SnapshotShape,
  HistoryShape,
  TopicShape,
  MessageStatusShape,
  ConnectionShape,
  BanShape,
];

export const EventBatchShape = Type.Object({
  events: Type.Array(sharedShape<Type.Static<typeof EventInputShape>>('EventInput'), {
    minItems: 1,
    maxItems: MAX_PUBLISH_BATCH,
  }),
});
