import { PRIORITIES } from '@millrace/protocol';
import Type from 'typebox';
import { SLOW_POLICIES } from '../hub/slow-queue.ts';
import { UNKNOWN_EVENTS } from '../policy.ts';
import { duration, section, strict } from './section.ts';

const Namespace = section('The policy of one namespace.', {
  durability: Type.Optional(
    Type.Enum(['live', 'durable'], {
      description: '`durable`: on disk before it is acknowledged. `live`: in memory.',
    }),
  ),
  retention: Type.Optional(
    section(
      'What is kept of each topic; it replaces the default as a whole, and a missing bound is no bound.',
      {
        maxEvents: Type.Optional(Type.Integer({ minimum: 1, description: 'The newest events kept.' })),
        maxAge: Type.Optional(duration('How long an event is kept.')),
        maxBytes: Type.Optional(Type.Integer({ minimum: 1, description: 'Bytes of data kept.' })),
      },
    ),
  ),
  slow: Type.Optional(
    Type.Enum([...SLOW_POLICIES], {
      description:
        'What becomes of events for a client that reads too slowly, unless its subscription says: `catchup` reads them from the log later, `drop-oldest` keeps the newest, `conflate` the newest of each key, `disconnect` ends the connection.',
    }),
  ),
  flushWindowMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 10_000,
      description: 'How long an event may wait for others before it is written, in ms.',
    }),
  ),
  priority: Type.Optional(
    Type.Enum([...PRIORITIES], { description: 'Of events whose publisher names none.' }),
  ),
  unknownEvents: Type.Optional(
    Type.Enum([...UNKNOWN_EVENTS], {
      description:
        'What becomes of events whose name the catalog does not know: `allow`, `warn` (a line in the log), `refuse`. `allow` when missing.',
    }),
  ),
});

export const NamespacesSchema = Type.Record(Type.String({ pattern: '^(\\*|[A-Za-z0-9_:-]+)$' }), Namespace, {
  ...strict,
  default: {},
  description:
    'Policies by namespace (a topic’s first segment); `*` is for those without one of their own. Built in: durable, the newest 100,000 events and 7 days; `host`, `metrics`, `agents`, `presence` and `bench` live, 1,000 events and 1 hour; `tool` 7 days, any number; `user` inboxes until acknowledged or `inbox.ttl`, what lies below them as the default; `session` live, 100 events and 10 minutes; `connections` live, 20,000 events and 1 day; `listen` the newest 100,000, however old; `audit` 365 days, 1,000,000 events.',
});

export type NamespaceConfig = Type.Static<typeof Namespace>;
