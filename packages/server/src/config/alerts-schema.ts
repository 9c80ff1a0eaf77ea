import Type from 'typebox';
import { SEVERITIES } from '../alerts/alert-rule.ts';
import { count, duration, HTTP_URL, section, text } from './section.ts';

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

export const AlertsSchema = section(
  'Rules that watch figures and say on `system.alerts` when one is wrong.',
  {
    enabled: Type.Boolean({ default: true, description: 'Whether anything is watched.' }),
    rules: Type.Array(AlertRule, {
      default: [],
      description: 'Rules beside the built-in ones, or changes of those.',
    }),
    maxEntities: count('Entities that rules for all of them (`entity: "*"`) watch.', 100),
  },
);

export type AlertRuleConfig = Type.Static<typeof AlertRule>;

export type RemediationConfig = Type.Static<typeof Remediation>;
