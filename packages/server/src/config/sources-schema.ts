import Type from 'typebox';
import { duration, HTTP_URL, section, text } from './section.ts';

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

export const SourcesSchema = section('What is measured again and again, and published as `metrics_update`.', {
  server: Type.Boolean({ default: true, description: 'What this server does, on `metrics.server`.' }),
  process: Type.Boolean({ default: true, description: 'How its process fares, on `metrics.process`.' }),
  interval: duration('How often these two are measured.', '1s'),
  prometheus: Type.Array(PrometheusSource, { default: [], description: 'Targets elsewhere.' }),
});

export type PrometheusSourceConfig = Type.Static<typeof PrometheusSource>;
