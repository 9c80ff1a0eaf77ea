import Type from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { MillraceError } from './codes.ts';
import { PRIORITIES } from './event.ts';
import { MAX_NAME_LENGTH, MAX_TOPICS_LISTED } from './limits.ts';

/*
 * Messages from client to server. Unknown fields are ignored ([MSG-3]), so no schema forbids them.
 * Topic names, positions and filters have rules of their own, which are checked where they are used.
 */

const Id = Type.Union([Type.String({ maxLength: 64 }), Type.Integer()], {
  description: 'Chosen by the client and repeated in the answer.',
});
/** No control characters in names, nor half surrogate pairs, which a log in UTF-8 could not give back. */
function name(description: string): Type.TString {
  return Type.String({
    minLength: 1,
    maxLength: MAX_NAME_LENGTH,
    pattern: '^[^\\p{Cc}\\p{Cs}]*$',
    description,
  });
}
// [TOPIC-1] has an answer of its own for what is no topic.
const TopicName = Type.String();

function wholeNumber(minimum: number): Type.TInteger {
  return Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER });
}

export const SinceSchema = Type.Union([
  Type.String({ description: 'A position `epoch:offset`, a cursor, `"earliest"` or `"snapshot"`.' }),
  Type.Object({
    epoch: Type.String(),
    offset: wholeNumber(0),
    id: Type.Optional(
      Type.String({ description: 'The id of the event at that position, checked against the log.' }),
    ),
  }),
  Type.Object({ last: wholeNumber(1) }),
  Type.Object({ time: Type.String() }),
]);
export type Since = Type.Static<typeof SinceSchema>;

export const AuthMessageSchema = Type.Object({
  type: Type.Literal('auth'),
  id: Type.Optional(Id),
  token: Type.String({ minLength: 1 }),
});
export type AuthMessage = Type.Static<typeof AuthMessageSchema>;

export const SubscribeMessageSchema = Type.Object({
  type: Type.Literal('subscribe'),
  id: Type.Optional(Id),
  topic: Type.Optional(TopicName),
  topics: Type.Optional(Type.Array(TopicName, { minItems: 1, maxItems: MAX_TOPICS_LISTED })),
  stream: Type.Optional(
    Type.String({ description: 'A topic, pattern or alias, of a plain client: its events come flat.' }),
  ),
  since: Type.Optional(SinceSchema),
  filter: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  filters: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: 'What plain clients call `filter`.' }),
  ),
  consumer: Type.Optional(name('Whose progress through the topic is kept.')),
  batch: Type.Optional(
    Type.Union([
      Type.Boolean(),
      Type.Object({
        maxEvents: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        maxDelayMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      }),
    ]),
  ),
  slow: Type.Optional(Type.Enum(['catchup', 'drop-oldest', 'conflate', 'disconnect'])),
});
export type SubscribeMessage = Type.Static<typeof SubscribeMessageSchema>;

export const UnsubscribeMessageSchema = Type.Object({
  type: Type.Literal('unsubscribe'),
  id: Type.Optional(Id),
  topic: Type.Optional(TopicName),
  stream: Type.Optional(Type.String({ description: 'What a plain client subscribed to.' })),
});
export type UnsubscribeMessage = Type.Static<typeof UnsubscribeMessageSchema>;

/** What may be said of an event beside its topic; shared with the HTTP API. */
export const EventFields = {
  event: name('Its name: what kind of event it is, such as `task.progress`.'),
  data: Type.Unknown({ description: 'Any JSON value; `null` where there is nothing to say.' }),
  source: Type.Optional(name('Who or what publishes it.')),
  key: Type.Optional(name('The record that this event is a new state of.')),
  priority: Type.Optional(Type.Enum([...PRIORITIES], { description: '`normal` when missing.' })),
  idempotencyKey: Type.Optional(
    name('A repeat with this key on the same topic is answered with the first result, and stored once.'),
  ),
  expectOffset: Type.Optional(
    Type.Union([wholeNumber(0), Type.String({ description: 'A position `epoch:offset`.' })], {
      description: 'Append only if this is the topic’s head; `conflict` otherwise.',
    }),
  ),
  fence: Type.Optional(
    Type.Object(
      { name: name('The lease.'), token: wholeNumber(1) },
      { description: 'Append only if the topic has seen no higher token of this lease; `fenced` otherwise.' },
    ),
  ),
  seal: Type.Optional(Type.Boolean({ description: 'Close the topic with this event: it is its last.' })),
} as const;

export const PublishMessageSchema = Type.Object({
  type: Type.Literal('publish'),
  id: Type.Optional(Id),
  topic: TopicName,
  ...EventFields,
});
export type PublishMessage = Type.Static<typeof PublishMessageSchema>;

export const AckMessageSchema = Type.Object({
  type: Type.Literal('ack'),
  id: Type.Optional(Id),
  topic: TopicName,
  offset: wholeNumber(1),
  consumer: name('Whose progress through the topic is kept.'),
});
export type AckMessage = Type.Static<typeof AckMessageSchema>;

export const CallMessageSchema = Type.Object({
  type: Type.Literal('call'),
  id: Id,
  method: name('Which method.'),
  params: Type.Optional(Type.Unknown()),
});
export type CallMessage = Type.Static<typeof CallMessageSchema>;

export const PingMessageSchema = Type.Object({
  type: Type.Literal('ping'),
  id: Type.Optional(Id),
});
export type PingMessage = Type.Static<typeof PingMessageSchema>;

/** What plain clients call `ping`; the `timestamp` that they send along is theirs to know. */
export const HeartbeatMessageSchema = Type.Object({
  type: Type.Literal('connection.heartbeat'),
  id: Type.Optional(Id),
});
export type HeartbeatMessage = Type.Static<typeof HeartbeatMessageSchema>;

export type MessageId = string | number;

export type ClientMessage =
  | AuthMessage
  | SubscribeMessage
  | UnsubscribeMessage
  | PublishMessage
  | AckMessage
  | CallMessage
  | PingMessage
  | HeartbeatMessage;

export const CLIENT_MESSAGE_SCHEMAS = {
  auth: AuthMessageSchema,
  subscribe: SubscribeMessageSchema,
  unsubscribe: UnsubscribeMessageSchema,
  publish: PublishMessageSchema,
  ack: AckMessageSchema,
  call: CallMessageSchema,
  ping: PingMessageSchema,
  'connection.heartbeat': HeartbeatMessageSchema,
} as const;

type Check = Validator<Record<never, never>, Type.TSchema>;

const checks = new Map<string, Check>(
  Object.entries(CLIENT_MESSAGE_SCHEMAS).map(([type, schema]) => [
    type,
    Compile(schema as Type.TSchema) as Check,
  ]),
);

/** What a compiled check of TypeBox finds wrong. */
export type ShapeError = ReturnType<Check['Errors']>[number];

const UNION = /^(.*?)\/anyOf\/\d+/;

/** Where the first thing wrong stands, as a JSON pointer, and what it is, as the end of a sentence. */
export function describeShapeErrors(errors: readonly ShapeError[]): { path: string; problem: string } {
  const [first] = errors;
  if (first === undefined) return { path: '', problem: 'is not valid' };
  // Of a union every member complains; what the sender wants to know is that none of them fits.
  const union = UNION.exec(first.schemaPath)?.[1];
  const whole = errors.find((error) => error.keyword === 'anyOf' && error.schemaPath === union);
  const { instancePath: path } = whole ?? first;
  if (whole !== undefined) return { path, problem: 'has none of the shapes that it may have' };
  switch (first.keyword) {
    case 'required':
      return { path: `${path}/${first.params.requiredProperties[0]}`, problem: 'is missing' };
    case 'enum':
      return { path, problem: `must be one of ${first.params.allowedValues.join(', ')}` };
    case 'pattern':
      return { path, problem: 'has a character that no name may have' };
    default:
      return { path, problem: first.message };
  }
}

/**
 * Checks a decoded object and gives it its type. Throws a `MillraceError`: `unknown-type`, or `bad-message` with the
 * path of what is wrong.
 */
export function checkClientMessage(value: Record<string, unknown>): ClientMessage {
  const { type } = value;
  if (typeof type !== 'string') throw new MillraceError('bad-message', '"/type" must be a string');
  const check = checks.get(type);
  if (check === undefined) {
    throw new MillraceError('unknown-type', `unknown message type ${JSON.stringify(type.slice(0, 64))}`);
  }
  if (!check.Check(value)) {
    const { path, problem } = describeShapeErrors(check.Errors(value));
    throw new MillraceError('bad-message', `${type}: "${path}" ${problem}`, { details: { path } });
  }
  // The compiled check has just established the shape that `type` names.
  return value as unknown as ClientMessage;
}
