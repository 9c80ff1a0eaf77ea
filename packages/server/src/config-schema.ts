import { PRIORITIES } from '@millrace/protocol';
import Type from 'typebox';
import { AlertsSchema } from './config/alerts-schema.ts';
import { AuthSchema } from './config/auth-schema.ts';
import { BridgeSchema } from './config/bridge-schema.ts';
import { FamiliesSchema } from './config/families-schema.ts';
import { LimitsSchema } from './config/limits-schema.ts';
import { LlmSchema } from './config/llm-schema.ts';
import { NamespacesSchema } from './config/namespaces-schema.ts';
import { PlainSchema } from './config/plain-schema.ts';
import { ProcessesSchema } from './config/processes-schema.ts';
import { count, duration, ORIGIN, section, text } from './config/section.ts';
import { SourcesSchema } from './config/sources-schema.ts';

export type { AlertRuleConfig, RemediationConfig } from './config/alerts-schema.ts';
export type { ApiKeyConfig } from './config/auth-schema.ts';
export type { BridgeRuleConfig } from './config/bridge-schema.ts';
export type { NamespaceConfig } from './config/namespaces-schema.ts';
export type { PrometheusSourceConfig } from './config/sources-schema.ts';

/*
 * The configuration, once: types, defaults, checks, flags, environment variables and documentation all come from here.
 * An option is required in `Config` when it has a default, and never required of who configures.
 * Sections of more than a few options have a file each in `config/`.
 */

export const ConfigSchema = section('The configuration of a Millrace server.', {
  server: section('Where the server listens.', {
    host: text('Address to listen on; `0.0.0.0` or `::` for every interface.', {
      default: '127.0.0.1',
      flag: '--host',
    }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 3001,
      flag: '--port',
      description: 'Port to listen on; 0 takes a free one.',
    }),
    trustProxy: Type.Integer({
      minimum: 0,
      default: 0,
      description:
        'How many proxies of yours stand in front of it: so many entries at the end of `X-Forwarded-For` are believed. 0 takes the connection’s own address.',
    }),
    publicUrl: Type.Optional(
      Type.String({
        pattern: '^https?://',
        description:
          'The address clients use, when a proxy stands in front; its origin is accepted as our own.',
      }),
    ),
  }),
  data: section('What is kept on disk.', {
    directory: text('Folder of the durable log and of the key that the first start creates.', {
      default: '.millrace',
      flag: '--data',
      path: true,
    }),
  }),
  tls: section('TLS, when Millrace itself terminates it: both files, or neither.', {
    cert: Type.Optional(
      text('PEM file with the certificate and its chain.', { flag: '--tls-cert', path: true }),
    ),
    key: Type.Optional(text('PEM file with the private key.', { flag: '--tls-key', path: true })),
  }),
  cors: section('Browsers from elsewhere.', {
    origins: Type.Array(Type.String({ pattern: ORIGIN }), {
      default: [],
      description: 'Origins of web pages that may connect, beside our own: `https://app.example.com`.',
    }),
  }),
  auth: AuthSchema,
  limits: LimitsSchema,
  compression: section('Compression of what is sent over WebSockets, for clients that offer it.', {
    level: Type.Enum(['none', 'fast', 'default', 'best'], {
      default: 'default',
      description: 'How hard to try; `none` agrees to no compression.',
    }),
    minBytes: count('Messages with fewer bytes are sent as they are.', 1024),
  }),
  namespaces: NamespacesSchema,
  priorities: Type.Record(text('An event name.'), Type.Enum([...PRIORITIES]), {
    default: {},
    description:
      'Priorities of events by name, where the publisher names none. Built in: `task.failed` and `workflow.failed` high, `tool.output` low.',
  }),
  plain: PlainSchema,
  families: FamiliesSchema,
  inbox: section('Messages that are delivered until they are acknowledged.', {
    redelivery: Type.Array(duration('A time.'), {
      minItems: 1,
      maxItems: 16,
      default: ['1m', '2m', '4m'],
      description:
        'How long after each delivery a message that was not acknowledged is delivered again. After the last one, and the same time once more, it becomes a dead letter.',
    }),
    ttl: duration(
      'How long a message stays in an inbox; then, unless acknowledged, it becomes a dead letter.',
      '60m',
    ),
    maxConsumers: count(
      'Consumers that one user may have of one topic; each is kept as long as the topic.',
      100,
    ),
  }),
  processes: ProcessesSchema,
  analytics: section('What is told of the life of sessions.', {
    sessions: Type.Boolean({
      default: true,
      description:
        'Whether each that comes and goes is an event on `connections.<door>`, for administrators.',
    }),
    enabled: Type.Boolean({
      default: true,
      description: 'Whether `/api/v1/analytics` counts; without it, it answers with `not-supported`.',
    }),
  }),
  host: section('The host’s own figures, published on `host.<name>`.', {
    enabled: Type.Boolean({ default: true, description: 'Whether they are published.' }),
    interval: duration('How often.', '1s'),
    name: Type.Optional(text('The name instead of the machine’s.')),
  }),
  metrics: section('Figures for Prometheus, at `/metrics`.', {
    enabled: Type.Boolean({ default: true, description: 'Whether there are any.' }),
    public: Type.Boolean({
      default: false,
      description:
        'Whether anybody may read them. Otherwise the token of an `admin` of the entity `default` is needed, except on the machine itself while the server listens on loopback.',
    }),
  }),
  sources: SourcesSchema,
  bridge: BridgeSchema,
  alerts: AlertsSchema,
  llm: LlmSchema,
  log: section('The server’s log, on stderr.', {
    level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      default: 'info',
      description: 'What is worth a line.',
    }),
  }),
});

/** A complete, checked configuration. Durations stay as written; `durationMs` reads them where they are used. */
export type Config = Type.Static<typeof ConfigSchema>;

/** What somebody who configures may say: any part of it. */
export type ConfigInput = {
  [Section in keyof Config]?: Config[Section] extends readonly unknown[]
    ? Config[Section]
    : Partial<Config[Section]>;
};
