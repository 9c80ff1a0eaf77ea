import Type from 'typebox';
import { PLAIN_FORMATS } from '../plain-config.ts';
import { section, strict, text } from './section.ts';

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

export const PlainSchema = section(
  'What clients find that speak no subprotocol of ours and know other names.',
  {
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
  },
);
