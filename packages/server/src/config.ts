import { resolve } from 'node:path';
import { findTopicProblem } from '@millrace/protocol';
import { DEFAULT_ENTITY, isReservedEntity } from './auth/identity.ts';
import { ConfigError, type ConfigLayer, checkLayer, readLayerFiles } from './config-layer.ts';
import { CONFIG_OPTIONS } from './config-options.ts';
import type { Config, ConfigInput } from './config-schema.ts';
import { envLayer, fileLayer, findConfigFile, flagLayer } from './config-sources.ts';
import { type Duration, durationMs } from './duration.ts';
import { familyProblems } from './families-config.ts';
import { plainProblems } from './plain-config.ts';
import { type NamespacePolicy, RESERVED_NAMESPACES } from './policy.ts';
import { processProblems } from './processes-config.ts';
import { readAlertRules } from './read-alert-rules.ts';
import { readBridgeRules } from './read-bridge-rules.ts';

export { ConfigError } from './config-layer.ts';
export type { ApiKeyConfig, Config, ConfigInput, NamespaceConfig } from './config-schema.ts';

/** Gives a `millrace.config.ts` its types: `export default defineConfig({ server: { port: 8080 } })`. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** A new configuration in which nothing was configured. */
export function defaultConfig(): Config {
  const sections: Record<string, unknown> = {};
  for (const { section, key, schema } of CONFIG_OPTIONS) {
    const value = structuredClone(schema.default);
    if (key === undefined) sections[section] = value;
    else
      sections[section] = { ...(sections[section] as object), ...(value !== undefined && { [key]: value }) };
  }
  // Every option of the schema that is not optional has a default; the tests check it.
  return sections as unknown as Config;
}

/** Later layers win, option by option; lists and single namespaces are replaced as a whole. */
function merge(base: Config, layers: readonly ConfigInput[]): Config {
  const merged: Record<string, unknown> = { ...base };
  for (const layer of layers) {
    for (const [section, values] of Object.entries(layer)) {
      if (Array.isArray(values)) {
        merged[section] = values;
        continue;
      }
      const given = Object.entries(values).filter(([, value]) => value !== undefined);
      merged[section] = { ...(merged[section] as object), ...Object.fromEntries(given) };
    }
  }
  return merged as unknown as Config;
}

/** What no single option can say by itself. */
function checkTogether({
  tls,
  auth,
  limits,
  namespaces,
  plain,
  families,
  alerts,
  processes,
  sources,
  bridge,
}: Config): string[] {
  const problems: string[] = [
    ...plainProblems(plain),
    ...familyProblems(families),
    ...processProblems(processes),
    ...sourceProblems(sources),
    ...readBridgeRules(bridge).problems,
  ];
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    problems.push(
      `tls.${tls.cert === undefined ? 'cert' : 'key'} is missing: TLS needs the certificate and its key`,
    );
  }
  for (const name of RESERVED_NAMESPACES) {
    if (namespaces[name] === undefined) continue;
    problems.push(`namespaces.${name} is the server’s own: nothing about it can be changed`);
  }
  const ids = new Set<string>();
  for (const [i, apiKey] of (auth.apiKeys ?? []).entries()) {
    if ((apiKey.key === undefined) === (apiKey.keyHash === undefined)) {
      problems.push(`auth.apiKeys[${i}] needs either key or keyHash`);
    }
    if (ids.has(apiKey.id)) problems.push(`auth.apiKeys[${i}].id "${apiKey.id}" is taken by another key`);
    ids.add(apiKey.id);
  }
  problems.push(...readAlertRules(alerts.rules, DEFAULT_ENTITY).problems);
  if (durationMs(limits.idleTimeout) <= durationMs(limits.heartbeat)) {
    problems.push('limits.idleTimeout must be longer than limits.heartbeat, or every quiet client is closed');
  }
  return problems;
}

function sourceProblems({ prometheus }: Config['sources']): string[] {
  return prometheus.flatMap(({ topic, entity = '' }, i) => {
    const problem = topic === undefined ? undefined : findTopicProblem(topic);
    return [
      ...(problem === undefined ? [] : [`sources.prometheus[${i}].topic ${problem}`]),
      ...(isReservedEntity(entity) ? [`sources.prometheus[${i}].entity is the server’s own`] : []),
    ];
  });
}

/** `layers` from the weakest to the strongest. */
function resolveLayers(layers: readonly ConfigLayer[], problems: string[], cwd: string): Config {
  const checked = layers.map((layer) => checkLayer(readLayerFiles(layer, problems), problems));
  if (problems.length > 0) throw new ConfigError(problems);
  const config = merge(defaultConfig(), checked);
  const conflicts = checkTogether(config);
  if (conflicts.length > 0) throw new ConfigError(conflicts);
  return { ...config, data: { directory: resolve(cwd, config.data.directory) } };
}

/**
 * Completes and checks what somebody who embeds the server says; a complete configuration passes unchanged.
 * Files are read, so that `auth.secretFile` becomes `auth.secret`, and relative paths start from `cwd`.
 * Throws a `ConfigError`.
 */
export function resolveConfig(input: ConfigInput, cwd: string = process.cwd()): Config {
  return resolveLayers(
    [{ folder: cwd, nameOf: (option) => option || 'the configuration', values: input }],
    [],
    cwd,
  );
}

export interface LoadConfigOptions {
  /** By the option's name, as text: `{'server.port': '8080'}`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Instead of `millrace.config.{json,ts}` in `cwd`. */
  readonly file?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Flags before environment variables before the configuration file before defaults. Throws a `ConfigError`. */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<Config> {
  const { flags = {}, env = process.env, cwd = process.cwd() } = options;
  const problems: string[] = [];
  const file = options.file === undefined ? findConfigFile(cwd) : resolve(cwd, options.file);
  const layers: ConfigLayer[] = file === undefined ? [] : [await fileLayer(file)];
  layers.push(envLayer(env, cwd, problems), flagLayer(flags, cwd, problems));
  return resolveLayers(layers, problems, cwd);
}

function retentionOf(retention: {
  maxEvents?: number;
  maxAge?: Duration;
  maxBytes?: number;
}): NamespacePolicy['retention'] {
  const { maxAge, ...bounds } = retention;
  return maxAge === undefined ? bounds : { ...bounds, maxAgeMs: durationMs(maxAge) };
}

/** What is revoked is forgotten a day after the last token that it names has expired. */
const FORGET_AFTER_MS = 86_400_000;

/** Of what the server keeps for itself. */
const OWN_POLICY = { durability: 'durable', retention: {}, unknownEvents: 'allow' } as const;

/** The namespaces' policies, as `Policies` takes them. */
export function namespacePolicies({ namespaces, auth }: Config): Record<string, Partial<NamespacePolicy>> {
  const revocationsMs = durationMs(auth.maxTokenLifetime) + FORGET_AFTER_MS;
  return {
    revocations: { ...OWN_POLICY, retention: { maxAgeMs: revocationsMs } },
    'key-revocations': OWN_POLICY,
    // Written anew, and trimmed, by the service that knows which incidents are over.
    'alert-state': OWN_POLICY,
    // Of which the newest counts.
    'bridge-state': { ...OWN_POLICY, retention: { maxEvents: 10 } },
    'llm-streams': OWN_POLICY,
    'running-processes': OWN_POLICY,
    ...Object.fromEntries(
      Object.entries(namespaces).map(([name, { retention, ...rest }]) => [
        name,
        {
          ...rest,
          ...(retention === undefined ? {} : { retention: retentionOf(retention) }),
        },
      ]),
    ),
  };
}
