import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { closest } from './closest.ts';
import { ORIGIN } from './config/section.ts';
import { CONFIG_OPTIONS, type OptionSchema } from './config-options.ts';
import type { ConfigInput } from './config-schema.ts';
import { ConfigSchema } from './config-schema.ts';
import { DURATION_PATTERN } from './duration.ts';

/** What one place says of the configuration. */
export interface ConfigLayer {
  /** The folder that relative paths start from. */
  readonly folder: string;
  /** What the place calls an option, for problems: `--port`, `MILLRACE_SERVER_PORT`, `millrace.config.json: server.port`. */
  readonly nameOf: (option: string) => string;
  /** By section and key; not checked yet. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** The configuration is wrong: every problem found, each naming the place and the option. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? problems[0]
        : `the configuration has ${problems.length} problems:\n  ${problems.join('\n  ')}`,
    );
    this.problems = problems;
  }
}

// Who configures may leave out everything that is not inside a list or a namespace.
const InputSchema = Type.Partial(
  Type.Object(
    Object.fromEntries(
      Object.entries(ConfigSchema.properties).map(([name, section]): [string, Type.TSchema] => [
        name,
        Type.IsObject(section) ? Type.Partial(section, { additionalProperties: false }) : section,
      ]),
    ),
  ),
  { additionalProperties: false },
);
const inputCheck = Compile(InputSchema);

type Problem = ReturnType<typeof inputCheck.Errors>[number];

/** One key of a JSON pointer (RFC 6901), as it is in the object. */
function unescaped(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** `/limits/heartbeat` → `limits.heartbeat`, `/auth/apiKeys/0/id` → `auth.apiKeys[0].id`. */
function optionOf(instancePath: string): string {
  const option = instancePath
    .slice(1)
    .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
  return unescaped(option);
}

const A_DURATION = 'must be a duration such as "500ms", "30s", "2m", "1h" or "7d"';

function schemaAt(option: string): OptionSchema | undefined {
  let schema: OptionSchema | undefined = ConfigSchema as OptionSchema;
  for (const part of option.match(/[^.[\]]+/g) ?? []) {
    const [anyName]: readonly OptionSchema[] = Object.values(schema?.patternProperties ?? {});
    schema = schema?.properties?.[part] ?? schema?.items ?? anyName;
  }
  return schema;
}

/** The names that the object at `option` may have. */
function siblingsOf(option: string): readonly string[] {
  return Object.keys(schemaAt(option)?.properties ?? {});
}

function aWebAddress(pattern: unknown): string {
  return pattern === ORIGIN
    ? 'must be an origin such as "https://app.example.com", with no path behind it'
    : 'must be an address that begins with http:// or https://, without a user name';
}

function shown(values: unknown, instancePath: string): string {
  // What may be a secret, or have one in it, is not shown.
  if (instancePath === '' || /^\/auth|^\/llm\/providers|\/(secret|headers)(\/|$)/.test(instancePath))
    return '';
  let value = values;
  for (const key of instancePath.slice(1).split('/'))
    value = (value as Record<string, unknown>)[unescaped(key)];
  return `, not ${JSON.stringify(value)?.slice(0, 60)}`;
}

function describe(problem: Problem, layer: ConfigLayer): string {
  const option = optionOf(problem.instancePath);
  const name = layer.nameOf(option);
  const params = problem.params as Record<string, unknown>;
  const given = shown(layer.values, problem.instancePath);
  switch (problem.keyword) {
    case 'additionalProperties': {
      const [unknown = ''] = params.additionalProperties as readonly string[];
      if (option === 'namespaces')
        return `${name}: "${unknown}" is not a namespace (a topic’s first segment) or "*"`;
      const guess = closest(unknown, siblingsOf(option));
      const path = option === '' ? unknown : `${option}.${unknown}`;
      return `${layer.nameOf(path)} is not an option${guess === undefined ? '' : `; did you mean "${guess}"?`}`;
    }
    case 'enum':
      return `${name} must be one of ${(params.allowedValues as readonly unknown[]).join(', ')}${given}`;
    case 'required':
      return `${name} needs ${(params.requiredProperties as readonly string[]).join(' and ')}`;
    case 'pattern':
      if (params.pattern === DURATION_PATTERN) return `${name} ${A_DURATION}${given}`;
      if (String(params.pattern).startsWith('^https?://'))
        return `${name} ${aWebAddress(params.pattern)}${given}`;
      break;
    case 'type':
      if (schemaAt(option)?.pattern === DURATION_PATTERN) return `${name} ${A_DURATION}${given}`;
  }
  return `${name} ${problem.message}${given}`;
}

/** Checks what one place says. Adds to `problems`, each naming the option as the place calls it. */
export function checkLayer(layer: ConfigLayer, problems: string[]): ConfigInput {
  if (inputCheck.Check(layer.values)) return layer.values as ConfigInput;
  for (const problem of inputCheck.Errors(layer.values)) {
    // A forbidden property is reported twice; this is the poorer of the two.
    if (problem.keyword !== 'boolean') problems.push(describe(problem, layer));
  }
  return {};
}

/** A file's text without the line break at its end; a problem, and `undefined`, when it cannot be read. */
export function readText(path: string, name: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    problems.push(`${name}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}

type Section = Record<string, unknown>;

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Makes paths absolute and puts the contents of the files that hold secrets and keys in the place of their names. */
export function readLayerFiles(layer: ConfigLayer, problems: string[]): ConfigLayer {
  const values: Record<string, unknown> = { ...layer.values };
  for (const { section, key, schema } of CONFIG_OPTIONS) {
    const entries = values[section];
    if (key === undefined || schema.path !== true || !isSection(entries)) continue;
    const path = entries[key];
    if (typeof path === 'string' && path !== '')
      values[section] = { ...entries, [key]: resolve(layer.folder, path) };
  }
  if (isSection(values.auth)) values.auth = readAuthFiles(values.auth, layer, problems);
  if (isSection(values.llm)) values.llm = readProviderKeys(values.llm, layer, problems);
  return { ...layer, values };
}

function readAuthFiles(auth: Section, layer: ConfigLayer, problems: string[]): Section {
  const { secretFile, ...rest } = auth;
  const read: Section = rest;
  if (typeof secretFile === 'string') {
    const name = layer.nameOf('auth.secretFile');
    if (rest.secret !== undefined) problems.push(`${name}: give auth.secret or auth.secretFile, not both`);
    const secret = readText(secretFile, name, problems);
    if (secret !== undefined) read.secret = secret;
  } else if (secretFile !== undefined) {
    read.secretFile = secretFile;
  }
  if (Array.isArray(rest.publicKeys)) {
    const name = layer.nameOf('auth.publicKeys');
    read.publicKeys = rest.publicKeys.map((key: unknown) =>
      typeof key === 'string' && key !== '' && !key.includes('-----BEGIN')
        ? (readText(resolve(layer.folder, key), name, problems) ?? key)
        : key,
    );
  }
  return read;
}

function readProviderKeys(llm: Section, layer: ConfigLayer, problems: string[]): Section {
  if (!isSection(llm.providers)) return llm;
  const read = Object.entries(llm.providers).map(([provider, options]) => {
    if (!isSection(options) || typeof options.apiKeyFile !== 'string') return [provider, options];
    const { apiKeyFile, ...rest } = options;
    const name = layer.nameOf(`llm.providers.${provider}.apiKeyFile`);
    if (rest.apiKey !== undefined) problems.push(`${name}: give apiKey or apiKeyFile, not both`);
    const apiKey = readText(resolve(layer.folder, apiKeyFile), name, problems);
    return [provider, { ...rest, ...(apiKey !== undefined && { apiKey }) }];
  });
  return { ...llm, providers: Object.fromEntries(read) };
}
