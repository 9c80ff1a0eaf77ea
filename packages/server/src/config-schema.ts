import type { EventFamily } from '@millrace/catalog';
import { DEFAULT_LIMITS, MAX_NAME_LENGTH, PRIORITIES, ROLES } from '@millrace/protocol';
import Type from 'typebox';
import { SEVERITIES } from './alerts/alert-rule.ts';
import type { BridgeFunction } from './bridge/bridge-rule.ts';
import { DURATION_PATTERN, type Duration } from './duration.ts';
import { SLOW_POLICIES } from './hub/slow-queue.ts';
import { PLAIN_FORMATS } from './plain-config.ts';
import { UNKNOWN_EVENTS } from './policy.ts';

/*
 * The configuration, once: types, defaults, checks, flags, environment variables and documentation all come from here.
 * An option is required in `Config` when it has a default, and never required of who configures.
 *
 * Annotations of our own: `flag` is the option of `millrace serve`; `path` marks a file or folder, relative to whoever
 * named it; `secret` keeps a value out of everything that is printed.
 */

const text = (description: string, more: object = {}) => Type.String({ minLength: 1, description, ...more });
const count = (description: string, value: number, more: object = {}) =>
  Type.Integer({ minimum: 1, default: value, description, ...more });
/** A bound that is not there by default. */
const bound = (description: string) => Type.Optional(Type.Integer({ minimum: 1, description }));
const duration = (description: string, value?: Duration) =>
  Type.Unsafe<Duration>({
    type: 'string',
    pattern: DURATION_PATTERN,
    description,
    ...(value === undefined ? {} : { default: value }),
  });
const strict = { additionalProperties: false } as const;
const section = <P extends Type.TProperties>(description: string, properties: P) =>
  Type.Object(properties, { ...strict, description });

const patterns = (description: string) => Type.Array(text('A topic or pattern.'), { description });

const ApiKey = section('One API key, for a backend.', {
  id: text('Its name in logs and statistics; the user id of its sessions.'),
  key: Type.Optional(text('The key itself.', { minLength: 32, secret: true })),
  keyHash: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F]{64}$',
      description: 'Instead of the key: its SHA-256 in hex (`printf %s "$KEY" | sha256sum`).',
    }),
  ),
  entity: Type.Optional(text('The entity it belongs to; `default` when missing.')),
  roles: Type.Array(Type.Enum([...ROLES]), { minItems: 1, description: 'What its bearer may do.' }),
  topics: Type.Optional(
    section('Narrows what the roles permit.', {
      subscribe: Type.Optional(patterns('Topics and patterns it may read.')),
      publish: Type.Optional(patterns('Topics and patterns it may publish to.')),
    }),
  ),
});

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

/** Segments joined by dots; whether it is a topic is checked by the rules of topics. */
const TOPIC_NAME = '^[A-Za-z0-9_:.-]+$';

const PlainPath = section('Defaults of one path.', {
  format: Type.Optional(
    Type.Enum([...PLAIN_FORMATS], {
      description:
        '`flat`: events as flat objects and nothing unasked, as on a bare path. `native`: as at `/ws`. When missing, `native` at `/ws` and `flat` elsewhere.',
    }),
  ),
  topics: Type.Optional(
    Type.Array(text('A topic, pattern or alias.'), {
      maxItems: 100,
      description: 'What a client is subscribed to at once.',
    }),
  ),
});

const Family = section('Kinds of events of your own, by `eventFamily()` of `@millrace/catalog`.', {
  name: text('Its name, such as `order`.'),
  description: text('A paragraph for whoever reads the documentation.'),
  topics: patterns('Where these events are usual; `view` is the view of these topics.'),
  events: Type.Array(
    section('One kind of event, by `eventType()`.', {
      name: Type.String({
        minLength: 1,
        maxLength: MAX_NAME_LENGTH,
        pattern: '^[^\\p{Cc}\\p{Cs}]*$',
        description: 'Its name, such as `order.shipped`.',
      }),
      description: text('What happened, and when it is published.'),
      data: Type.Object({}, { description: 'The JSON Schema of its data.' }),
      example: Type.Unknown({ description: 'Data that meets the schema.' }),
      earlier: Type.Optional(
        Type.Array(
          section('How it looked before, by `earlier()`.', {
            data: Type.Object({}, { description: 'The JSON Schema of its data then.' }),
            upcast: Type.Unknown({
              description: 'A function that gives the data as the next version has it.',
            }),
          }),
          { description: 'Earlier versions, the newest first.' },
        ),
      ),
    }),
    { minItems: 1, description: 'What may happen.' },
  ),
  view: Type.Optional(
    section('What the events of a topic add up to.', {
      name: text('What kind of state it is.'),
      version: Type.Integer({ description: 'To be raised when `fold` or the state’s shape changes.' }),
      holdsLog: Type.Boolean({ description: 'The log is trimmed only behind a stored state.' }),
      initial: Type.Unknown({ description: 'A function that gives the state of an empty topic.' }),
      fold: Type.Unknown({ description: 'A function of a state and an event that gives the next state.' }),
    }),
  ),
});

const LlmProvider = section('A server that speaks OpenAI’s chat completions.', {
  baseUrl: Type.String({
    pattern: '^https?://[^/?#@]+([/?#]|$)',
    description: 'Where its API begins: `https://api.openai.com/v1`, `http://localhost:11434/v1`.',
  }),
  apiKey: Type.Optional(text('Its key; local servers need none.', { secret: true })),
  apiKeyFile: Type.Optional(text('File that holds the key.')),
  model: text('The model that it is asked for.'),
  maxTokens: bound('Of an answer; the provider’s own bound when missing.'),
  temperature: Type.Optional(
    Type.Number({ minimum: 0, maximum: 2, description: 'The provider’s own when missing.' }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'Sent along with each request.' }),
  ),
});

const RATE = {
  messagesPerSecond: bound('Sustained messages a second.'),
  messageBurst: bound('Messages that may come at once.'),
  messagesPerMinute: bound('Sustained messages a minute, beside those a second; any number when missing.'),
  minuteBurst: bound('Of those a minute, how many may come at once; 10 when missing.'),
};

// Without a name and password, which no request can be made with, and errors would show: `headers` have them.
const HTTP_URL = '^https?://[^/?#@]+([/?#]|$)';

const Remediation = section(
  'What is done about an alert: a `command`, or a request to a `url`; once for each incident.',
  {
    command: Type.Optional(
      Type.Array(text('The program, then its arguments.'), {
        minItems: 1,
        description:
          'Run without a shell. It gets the alert as JSON on its standard input, and `MILLRACE_ALERT_ID`, `…_RULE` and `…_SEVERITY`.',
      }),
    ),
    cwd: Type.Optional(text('Folder that the command runs in; the server’s own when missing.')),
    environment: Type.Optional(
      Type.Array(text('A name.'), {
        description: 'Variables of the server’s environment that the command gets beside `PATH`; no other.',
      }),
    ),
    url: Type.Optional(Type.String({ pattern: HTTP_URL, description: 'Gets the alert by `POST`, as JSON.' })),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        secret: true,
        description: 'Sent along with the request.',
      }),
    ),
    secret: Type.Optional(
      text('Signs the request as Standard Webhooks does: `whsec_` and base64, or any other text.', {
        minLength: 24,
        secret: true,
      }),
    ),
    timeout: Type.Optional(duration('For the command, or for one request; `30s` when missing.')),
    retries: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 10,
        description: 'Requests after the first that failed in a way that may pass; 3 when missing.',
      }),
    ),
  },
);

const PrometheusSource = section('One target, as Prometheus would scrape it.', {
  name: text('Its `source_id` in events.', { maxLength: 128 }),
  url: Type.String({ pattern: HTTP_URL, description: 'Where its figures are, in Prometheus’ text format.' }),
  topic: Type.Optional(text('Where they are published; `metrics.<name>` when missing.')),
  entity: Type.Optional(text('In which entity; `default` when missing.')),
  interval: Type.Optional(duration('How often; `15s` when missing.')),
  timeout: Type.Optional(duration('For the whole answer; `5s` when missing.')),
  pick: Type.Optional(
    Type.Array(text('A name.'), {
      description:
        'The figures that are published: names, or beginnings of names with a `*` behind; all when missing.',
    }),
  ),
  labels: Type.Optional(
    Type.Array(text('A label.'), {
      description:
        'The labels that tell figures apart; what differs in others alone is added up. All of them when missing.',
    }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { secret: true, description: 'Sent along, such as a token.' }),
  ),
  maxBytes: Type.Optional(
    Type.Integer({ minimum: 1024, description: 'Largest answer; 4,194,304 when missing.' }),
  ),
});

const BridgeRule = section('One rule: which events, and what becomes of them.', {
  name: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    description: 'Its name in the `source` of what it makes.',
  }),
  events: Type.Array(text('A name, or a pattern of names.'), {
    minItems: 1,
    description: 'Events that it takes: `agent.status.changed`, `agent.*`.',
  }),
  topics: Type.Optional(patterns('Where it takes them from; everywhere when missing, but nothing private.')),
  mapped: Type.Optional(
    Type.Boolean({ description: 'Whether it takes what rules have made, too; false when missing.' }),
  ),
  topic: Type.Optional(
    text(
      'Where it publishes: a topic, with gaps for fields such as `{data.project_id}`, each one segment. `observers.<namespace of the source>` when missing.',
    ),
  ),
  rename: Type.Optional(text('The new name, with gaps; as it was when missing.')),
  key: Type.Optional(text('The new key, with gaps; as it was when missing.')),
  pick: Type.Optional(
    Type.Array(text('A field.'), { description: 'Fields of the data that are kept: `data.agent_id`.' }),
  ),
  map: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description:
        'Fields of the new data: a field (`"data.status"`), the first of several that there is (a list), or `{template}`, `{value}`, `{switch, cases, else}`, `{fields}`.',
    }),
  ),
  apply: Type.Optional(
    Type.Unsafe<BridgeFunction>({
      description: 'Instead of `rename`, `pick` and `map`: a function, in `millrace.config.ts`.',
    }),
  ),
});

const AlertRule = section('One rule. With the name of a built-in rule it changes that one.', {
  name: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    description:
      'Its `source` in alerts. Built in: `latency_high`, `latency_degraded`, `connection_drop_high`, `excessive_subscriptions`.',
  }),
  enabled: Type.Optional(Type.Boolean({ description: 'Whether it watches; true when missing.' })),
  topic: Type.Optional(text('Topic or pattern of the events that are watched.')),
  event: Type.Optional(text('Name of these events, or a pattern of names; any when missing.')),
  field: Type.Optional(text('The number in them: `data.metrics.harmony`.')),
  groupBy: Type.Optional(
    text('The field that tells apart what is watched side by side: `data.portal_id`, `topic`, `key`.'),
  ),
  metric: Type.Optional(
    text(
      'Instead of a topic: one of Millrace’s own figures, by its name in `/metrics`, or `latency_p50_ms`, `latency_p99_ms`, `connection_drop_percent`, `refused_subscriptions`.',
    ),
  ),
  label: Type.Optional(text('Of a metric with a label: this value of it; the sum of all when missing.')),
  per: Type.Optional(duration('Watches by how much the metric grew within this time: for what only grows.')),
  entity: Type.Optional(
    text('Whose events are watched, and where the alert is published; `*` for all. `default` when missing.'),
  ),
  above: Type.Optional(Type.Number({ description: 'Greater values are wrong.' })),
  below: Type.Optional(Type.Number({ description: 'Smaller values are wrong.' })),
  for: Type.Optional(duration('How long a value must be wrong; not at all when missing.')),
  resolveBelow: Type.Optional(
    Type.Number({ description: 'Only at or below this a value is right again; `above` when missing.' }),
  ),
  resolveAbove: Type.Optional(
    Type.Number({ description: 'Only at or above this a value is right again; `below` when missing.' }),
  ),
  resolveFor: Type.Optional(duration('How long it must be right again; `30s` when missing.')),
  missing: Type.Optional(
    Type.Enum(['keep', 'resolve', 'fire'], {
      description:
        'When nothing is heard: `keep` leaves an alert as it is, `resolve` ends it, `fire` raises it. `keep` when missing.',
    }),
  ),
  missingAfter: Type.Optional(duration('After how long that is so; `1m` when missing.')),
  severity: Type.Optional(Type.Enum([...SEVERITIES], { description: '`warning` when missing.' })),
  category: Type.Optional(text('What it is about: `performance`, `connectivity`, `capacity`, `custom`.')),
  message: Type.Optional(
    text(
      'What people read, with `{value}`, `{threshold}`, `{side}` (above or below), `{figure}`, `{group}`, `{topic}`, `{entity}`, `{rule}`.',
    ),
  ),
  recommendedAction: Type.Optional(text('What somebody should do.')),
  remediation: Type.Optional(Remediation),
  maxGroups: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 10_000,
      description: 'Groups of an entity that are watched at a time; 100 when missing.',
    }),
  ),
});

const AllowedCommand = section('A command that may be run.', {
  name: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    description: 'What requests call it.',
  }),
  command: text('The program, started without a shell: a path, or a name that is looked for in `PATH`.'),
  args: Type.Optional(Type.Array(Type.String(), { description: 'Its first arguments.' })),
  allowArgs: Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String())], {
      description:
        'What a request may add: each argument must match this regular expression as a whole, or be one of this list. Nothing when missing.',
    }),
  ),
  cwd: Type.Optional(
    text('The folder it runs in; a request may name one below it. The server’s own when missing.'),
  ),
  env: Type.Optional(
    Type.Array(text('A name.'), { description: 'Variables that a request may set. None when missing.' }),
  ),
  passEnv: Type.Optional(
    Type.Array(text('A name.'), {
      description:
        'Variables of the server that it gets beside the harmless ones (`PATH`, `HOME`, `LANG` and their like).',
    }),
  ),
  timeout: Type.Optional(duration('It is cancelled after so long; a request may ask for less.')),
  maxRunning: bound('How many of it may run at a time; any number when missing.'),
  stdin: Type.Optional(
    Type.Boolean({
      description:
        'Whether those with the role may type into it; `false` when missing: its input is empty. On a terminal they may.',
    }),
  ),
  pty: Type.Optional(
    Type.Boolean({ description: 'Whether a request may ask for a terminal; `true` when missing.' }),
  ),
  entities: Type.Optional(
    Type.Array(text('An entity.'), {
      description: 'Whose members may run it; `default` alone when missing.',
    }),
  ),
});

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
    origins: Type.Array(Type.String({ pattern: '^https?://[^/]+$' }), {
      default: [],
      description: 'Origins of web pages that may connect, beside our own: `https://app.example.com`.',
    }),
  }),
  auth: section('Who may connect. With none of it, the first start creates a key in the data folder.', {
    secret: Type.Optional(
      text('Shared secret of HS256 tokens, at least 32 characters.', { minLength: 32, secret: true }),
    ),
    secretFile: Type.Optional(text('File that holds the shared secret.', { path: true })),
    publicKeys: Type.Optional(
      Type.Array(text('PEM text, or the path of a PEM file.'), {
        description: 'Public keys of RS256, ES256 and EdDSA tokens: PEM texts, or paths of PEM files.',
      }),
    ),
    jwksUrl: Type.Optional(
      Type.String({ pattern: '^https?://', description: 'Where the issuer publishes its rotating keys.' }),
    ),
    issuer: Type.Optional(text('The `iss` that every token must have.')),
    audience: Type.Optional(text('The `aud` that every token must have.')),
    entityClaim: Type.Optional(text('The claim that names the entity, such as `accountId`.')),
    maxTokenLifetime: duration(
      'Longest that a JWT may be valid, from its `iat` to its `exp`; one that lives longer is refused. Revocations are kept for so long.',
      '30d',
    ),
    hook: Type.Optional(
      Type.Object(
        {
          url: Type.String({
            pattern: HTTP_URL,
            description:
              'Gets `POST {"token": …}`; answers 200 with claims `{sub, entity?, roles?, topics?, exp?}`, or 401 or 403.',
          }),
          timeout: Type.Optional(
            duration('For one question; `2s` when missing. Then the client is asked to try again.'),
          ),
          cache: Type.Optional(
            duration('How long an answer counts; `30s` when missing. A refusal counts 5 s at most.'),
          ),
          headers: Type.Optional(
            Type.Record(Type.String(), Type.String(), {
              description: 'Sent along, so that the backend knows who asks.',
            }),
          ),
        },
        {
          ...strict,
          secret: true,
          description: 'The application’s backend, asked who bears a token that no key knows.',
        },
      ),
    ),
    apiKeys: Type.Optional(Type.Array(ApiKey, { secret: true, description: 'API keys for backends.' })),
  }),
  limits: section('Bounds of the node, of a session and of a message.', {
    maxConnections: count('Connections of this node; more are answered with 503.', 10_000),
    maxConnectionsPerEntity: bound('Connections of one entity at this node; any number when missing.'),
    maxConnectionsPerUser: bound('Connections of one user at this node; any number when missing.'),
    maxConnectionsPerAddress: bound(
      'Connections from one address (of IPv6: from one network of 64 bits) at this node; any number when missing.',
    ),
    connectionsPerSecond: bound(
      'New connections a second from one address; more are answered with 429. As fast as they come when missing.',
    ),
    connectionBurst: count(
      'New connections from one address that may come at once, where their rate is limited.',
      20,
    ),
    maxMessageBytes: count('Largest message from a client.', DEFAULT_LIMITS.maxMessageBytes, {
      minimum: 1024,
    }),
    maxJsonDepth: count('Deepest nesting of a message.', DEFAULT_LIMITS.maxJsonDepth),
    maxSubscriptions: count('Subscriptions of one session.', DEFAULT_LIMITS.maxSubscriptions),
    maxEarlyBytes: count('Bytes of messages that may wait while a token is being checked.', 131_072, {
      minimum: 1024,
    }),
    ...RATE,
    messagesPerSecond: count(
      'Sustained messages a second from one client, over a socket or HTTP; publishers and admins are exempt.',
      DEFAULT_LIMITS.messagesPerSecond,
    ),
    messageBurst: count('Messages that may come at once.', DEFAULT_LIMITS.messageBurst),
    roles: Type.Optional(
      section('Other rates for a role; of several roles the one that may most counts.', {
        observer: Type.Optional(section('Observers.', RATE)),
        member: Type.Optional(section('Members.', RATE)),
        agent: Type.Optional(section('Agents.', RATE)),
        publisher: Type.Optional(section('Publishers; without it they are not limited.', RATE)),
        admin: Type.Optional(section('Administrators; without it they are not limited.', RATE)),
      }),
    ),
    maxViolations: count(
      'Messages of one user that come too fast, within the window, after which it is disconnected and banned.',
      500,
    ),
    maxAddressViolations: count(
      'Bad tokens, early messages and unfinished handshakes of one address, within the window, after which it is banned.',
      100,
    ),
    violationWindow: duration('What violations are counted in; it begins with the first.', '10s'),
    banDuration: duration('How long a ban lasts.', '5m'),
    authTimeout: duration('From the connection, TLS and headers included, to a valid token.', '10s'),
    maxRequestBytes: count(
      'Bytes of bodies and answers over HTTP that may be under way at once; more are answered with 503.',
      268_435_456,
    ),
    maxRequestBytesPerUser: count('The same of one user.', 67_108_864),
    requestTimeout: duration('For an HTTP request to arrive, its body included.', '30s'),
    messageTimeout: duration(
      'How long a message that has begun may stand still before its session is closed.',
      '10s',
    ),
    idleTimeout: duration('A session not heard for so long is closed.', '2m'),
    heartbeat: duration('A silent client is pinged at this pace.', '30s'),
    closingTimeout: duration('What is left of a session that ended so long ago is destroyed.', '5m'),
    sessionLifetime: duration('Longest session without a fresh token.', '1h'),
    maxInFlightBytes: count('Bytes on their way to one client before it counts as slow.', 1_048_576, {
      minimum: 65_536,
    }),
    maxQueuedEvents: count(
      'Events that wait for one slow client under `drop-oldest` and `conflate`, over all its subscriptions.',
      100,
    ),
    maxQueuedBytes: count('Bytes of their data.', 1_048_576),
  }),
  compression: section('Compression of what is sent over WebSockets, for clients that offer it.', {
    level: Type.Enum(['none', 'fast', 'default', 'best'], {
      default: 'default',
      description: 'How hard to try; `none` agrees to no compression.',
    }),
    minBytes: count('Messages with fewer bytes are sent as they are.', 1024),
  }),
  namespaces: Type.Record(Type.String({ pattern: '^(\\*|[A-Za-z0-9_:-]+)$' }), Namespace, {
    ...strict,
    default: {},
    description:
      'Policies by namespace (a topic’s first segment); `*` is for those without one of their own. Built in: durable, the newest 100,000 events and 7 days; `host`, `metrics`, `agents`, `presence` and `bench` live, 1,000 events and 1 hour; `tool` 7 days, any number; `user` inboxes until acknowledged or `inbox.ttl`, what lies below them as the default; `session` live, 100 events and 10 minutes; `connections` live, 20,000 events and 1 day; `listen` the newest 100,000, however old; `audit` 365 days, 1,000,000 events.',
  }),
  priorities: Type.Record(text('An event name.'), Type.Enum([...PRIORITIES]), {
    default: {},
    description:
      'Priorities of events by name, where the publisher names none. Built in: `task.failed` and `workflow.failed` high, `tool.output` low.',
  }),
  plain: section('What clients find that speak no subprotocol of ours and know other names.', {
    aliases: Type.Record(Type.String({ pattern: TOPIC_NAME }), text('A topic or pattern.'), {
      ...strict,
      default: {},
      description:
        'What plain clients call topics, in `stream` and in paths. Built in: `consciousness` → `metrics.consciousness`, `agents` → `agents.status`, `workflows` → `workflows.execution`, `alerts` → `system.alerts`; a name that stands for itself is none.',
    }),
    paths: Type.Record(Type.String({ pattern: '^/[^?#\\s]*$' }), PlainPath, {
      ...strict,
      default: {},
      description:
        'What a plain client gets that connects to a path, such as `/ws`, `/` or one of your own, and says nothing.',
    }),
  }),
  families: Type.Unsafe<readonly EventFamily[]>(
    Type.Array(Family, {
      default: [],
      description:
        'Kinds of events of your own, beside those that come with Millrace. What has functions (views, earlier versions) is said in `millrace.config.ts`.',
    }),
  ),
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
  processes: section('Commands that may be run by `POST /api/v1/processes`; without any, none may.', {
    roles: Type.Array(Type.Enum([...ROLES]), {
      default: ['admin'],
      description:
        'Who may run them, type into them, send them signals and cancel them; also what `millrace run` runs.',
    }),
    commands: Type.Array(AllowedCommand, { default: [], description: 'The commands.' }),
    grace: duration('What a command that is cancelled has from SIGTERM to SIGKILL.', '10s'),
  }),
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
  sources: section('What is measured again and again, and published as `metrics_update`.', {
    server: Type.Boolean({ default: true, description: 'What this server does, on `metrics.server`.' }),
    process: Type.Boolean({ default: true, description: 'How its process fares, on `metrics.process`.' }),
    interval: duration('How often these two are measured.', '1s'),
    prometheus: Type.Array(PrometheusSource, { default: [], description: 'Targets elsewhere.' }),
  }),
  bridge: section('Rules that publish events once more, as somebody else expects them.', {
    enabled: Type.Optional(
      Type.Boolean({ description: 'Whether they do; when missing, if there are `rules` or `generic` ones.' }),
    ),
    builtIn: Type.Boolean({
      default: true,
      description:
        'Whether the built-in rules are among them: `agent_update`, `agent_status_change`, `project_update`, `task_assignment`, `health_update`.',
    }),
    generic: Type.Array(text('A name, or a pattern of names.'), {
      default: [],
      description: 'Events that become `generic_update` where no other rule takes them.',
    }),
    rules: Type.Array(BridgeRule, { default: [], description: 'Rules of your own.' }),
    entity: Type.Optional(text('Whose events; `*` for all. `default` when missing.')),
    maxEntities: count('Entities that `entity: "*"` takes.', 100),
    maxDepth: count(
      'Rules that an event may go through, one after the other, where they take what rules made.',
      4,
    ),
  }),
  alerts: section('Rules that watch figures and say on `system.alerts` when one is wrong.', {
    enabled: Type.Boolean({ default: true, description: 'Whether anything is watched.' }),
    rules: Type.Array(AlertRule, {
      default: [],
      description: 'Rules beside the built-in ones, or changes of those.',
    }),
    maxEntities: count('Entities that rules for all of them (`entity: "*"`) watch.', 100),
  }),
  llm: section('Answers of language models, published token by token in `chat.<conversation>`.', {
    providers: Type.Record(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }), LlmProvider, {
      ...strict,
      default: {},
      secret: true,
      description:
        'Who answers, by name: any server that speaks OpenAI’s chat completions. Needs the package `openai`.',
    }),
    default: Type.Optional(text('Who is asked where a request names nobody; the first when missing.')),
    systemPrompt: Type.Optional(text('Said to every model before the conversation.')),
    window: duration(
      'How long tokens are collected for one event; the first token of an answer does not wait.',
      '20ms',
    ),
    firstTokenTimeout: duration('From the request to the first token, of each attempt.', '30s'),
    tokenTimeout: duration('From one token to the next.', '30s'),
    timeout: duration('For a whole answer.', '10m'),
    maxRetries: Type.Integer({
      minimum: 0,
      maximum: 10,
      default: 3,
      description: 'Attempts after the first, as long as no token has come.',
    }),
    maxStreams: count('Answers at a time; more are answered with 503.', 250),
    maxStreamsPerUser: count('The same of one user.', 10),
    historyMessages: Type.Integer({
      minimum: 0,
      maximum: 100,
      default: 50,
      description: 'Messages of a conversation that go along with a prompt, at most.',
    }),
    historyChars: count('Characters of their texts.', 100_000),
  }),
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

export type ApiKeyConfig = Type.Static<typeof ApiKey>;
export type AlertRuleConfig = Type.Static<typeof AlertRule>;
export type BridgeRuleConfig = Type.Static<typeof BridgeRule>;
export type PrometheusSourceConfig = Type.Static<typeof PrometheusSource>;
export type RemediationConfig = Type.Static<typeof Remediation>;
export type NamespaceConfig = Type.Static<typeof Namespace>;
