import { findPatternProblem } from '@millrace/protocol';
import type { Config } from './config-schema.ts';

/** What plain clients call a topic or pattern → its name. */
export type TopicAliases = ReadonlyMap<string, string>;

/** `flat`: flat events and nothing unasked, as on a bare path. `native`: as at `/ws`. */
export const PLAIN_FORMATS = ['flat', 'native'] as const;
export type PlainFormat = (typeof PLAIN_FORMATS)[number];

/** What a plain client gets that connects to a path and says nothing. */
export interface PathDefaults {
  readonly format: PlainFormat;
  /** Topics and patterns that it is subscribed to at once. */
  readonly topics: readonly string[];
}

/** What plain clients find: those that speak no subprotocol of ours and were written for other names ([PLAIN-1] and on). */
export interface PlainClients {
  readonly aliases: TopicAliases;
  /** By path. */
  readonly paths: ReadonlyMap<string, PathDefaults>;
}

const BUILT_IN_ALIASES: Readonly<Record<string, string>> = {
  consciousness: 'metrics.consciousness',
  agents: 'agents.status',
  workflows: 'workflows.execution',
  alerts: 'system.alerts',
};

type PlainConfig = Config['plain'];

export function plainClients({ plain }: Pick<Config, 'plain'>): PlainClients {
  const aliases = aliasesOf(plain);
  const paths = Object.entries(plain.paths).map(([path, { format, topics = [] }]) => {
    const defaults: PathDefaults = {
      format: format ?? (path === '/ws' ? 'native' : 'flat'),
      topics: topics.map((name) => aliases.get(name) ?? name),
    };
    return [path, defaults] as const;
  });
  return { aliases, paths: new Map(paths) };
}

/** What no schema says of the configuration: that names are topics and patterns. */
export function plainProblems(plain: PlainConfig): string[] {
  const aliases = aliasesOf(plain);
  const named = [
    ...Object.entries(plain.aliases).map(([alias, name]) => [`plain.aliases.${alias}`, name] as const),
    ...Object.entries(plain.paths).flatMap(([path, { topics = [] }]) =>
      topics.map((name) => [`plain.paths.${path}.topics`, aliases.get(name) ?? name] as const),
    ),
  ];
  return named.flatMap(([option, name]) => {
    const problem = findPatternProblem(name);
    return problem === undefined ? [] : [`${option} ${JSON.stringify(name)} ${problem}`];
  });
}

function aliasesOf({ aliases }: PlainConfig): TopicAliases {
  return new Map(Object.entries({ ...BUILT_IN_ALIASES, ...aliases }));
}
