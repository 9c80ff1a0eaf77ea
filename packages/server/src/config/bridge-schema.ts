import Type from 'typebox';
import type { BridgeFunction } from '../bridge/bridge-rule.ts';
import { count, patterns, section, text } from './section.ts';

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

export const BridgeSchema = section('Rules that publish events once more, as somebody else expects them.', {
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
});

export type BridgeRuleConfig = Type.Static<typeof BridgeRule>;
