import {
  type AsyncApiChannel,
  type AsyncApiOperation,
  channelsOf,
  operationsOf,
} from './async-api-channels.ts';
import {
  type AsyncApiMessage,
  ENVELOPE,
  type JsonSchema,
  messagesOf,
  schemasOf,
} from './async-api-messages.ts';
import { type AsyncApiServer, SECURITY_SCHEMES, type ServerAddress, serversOf } from './async-api-servers.ts';
import type { EventFamily } from './event-family.ts';

export type { AsyncApiChannel, AsyncApiOperation } from './async-api-channels.ts';
export type { AsyncApiMessage, JsonSchema } from './async-api-messages.ts';
export type { AsyncApiServer, ServerAddress } from './async-api-servers.ts';

/** The AsyncAPI 3.0 document of some families, as far as we write one. It is plain JSON. */
export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: { readonly name: string; readonly url: string };
    readonly tags: readonly { readonly name: string; readonly description: string }[];
  };
  readonly defaultContentType: string;
  readonly servers: Readonly<Record<string, AsyncApiServer>>;
  readonly channels: Readonly<Record<string, AsyncApiChannel>>;
  readonly operations: Readonly<Record<string, AsyncApiOperation>>;
  readonly components: {
    readonly messages: Readonly<Record<string, AsyncApiMessage>>;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: typeof SECURITY_SCHEMES;
  };
}

export interface AsyncApiOptions {
  /** Of the server, or of the application whose events these are. */
  readonly version: string;
  readonly title?: string;
  /** Where clients reach the server; without it the document leaves the host open. */
  readonly address?: ServerAddress | undefined;
}

const DESCRIPTION = [
  'The kinds of events that this server knows: what they mean, what their data looks like, and the topics they are usual on.',
  'Millrace keeps an ordered log of events per topic. Whoever publishes appends to a topic; whoever subscribes to a topic or',
  'pattern is sent what is appended, and may first read what was.',
  '',
  'Of each message, the payload is the event’s `data`, and the headers are what the server says of it. The doors differ only',
  'in how they put the two together:',
  '',
  '- WebSocket `/ws`: `{"type": "event", ...headers, "data": payload}`; to publish,',
  '  `{"type": "publish", "topic", "event", "data": payload}`.',
  '- Bare WebSocket `/ws/<topic as path>`: `{"type": <event>, "timestamp", ...payload}`.',
  '- Server-sent events `/events`: the field `event` is the name, `data` the payload, `id` a cursor.',
  '- HTTP `POST /api/v1/events`: `{"topic", "event", "data": payload}`; `/openapi.json` has the rest of the HTTP API.',
  '',
  'The payload of a known event is checked when it is published: what breaks its schema is refused with the code `bad-data`',
  'and the path of the fault. Fields that a schema does not name are allowed, and kept.',
].join('\n');

/** Describes families as an AsyncAPI 3.0 document: the server sends these events to subscribers and receives them of publishers. */
export function asyncApiDocument(
  families: readonly EventFamily[],
  { version, title = 'Millrace', address }: AsyncApiOptions,
): AsyncApiDocument {
  const channels = channelsOf(families);
  return {
    asyncapi: '3.0.0',
    info: {
      title,
      version,
      description: DESCRIPTION,
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
      tags: families.map(({ name, description }) => ({ name, description })),
    },
    defaultContentType: 'application/json',
    servers: serversOf(address),
    channels,
    operations: operationsOf(channels),
    components: {
      messages: messagesOf(families),
      schemas: { Envelope: ENVELOPE, ...schemasOf(families) },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}
