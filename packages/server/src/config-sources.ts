import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { closest } from './closest.ts';
import { ConfigError, type ConfigLayer, readText } from './config-layer.ts';
import { CONFIG_OPTIONS, CONFIG_SECTIONS, type ConfigOption } from './config-options.ts';

const CONFIG_FILES = ['millrace.config.json', 'millrace.config.ts'] as const;

type Values = Record<string, Record<string, unknown>>;

function put(values: Values, { section, key }: ConfigOption, value: unknown): void {
  if (key === undefined) values[section] = value as Record<string, unknown>;
  else values[section] = { ...values[section], [key]: value };
}

/**
 * Reads text by the option's type. What is not of that type stays text, so that the schema's check says what is wrong.
 * Lists of texts are separated by commas; anything deeper is JSON.
 */
function readValue(text: string, { schema }: ConfigOption, name: string, problems: string[]): unknown {
  switch (schema.type) {
    case 'integer':
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
    case 'array':
      if (schema.items?.type === 'string' && !text.trimStart().startsWith('[')) {
        return text
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== '');
      }
      break;
    case 'object':
      break;
    default:
      return text;
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote what may be a secret.
    problems.push(`${name} is not JSON`);
    return undefined;
  }
}

/** `flags` by the option's name: `{'server.port': '8080'}`. */
export function flagLayer(
  flags: Readonly<Record<string, string | undefined>>,
  cwd: string,
  problems: string[],
): ConfigLayer {
  const values: Values = {};
  const nameOf = (name: string) => CONFIG_OPTIONS.find((option) => option.name === name)?.schema.flag ?? name;
  for (const option of CONFIG_OPTIONS) {
    const text = flags[option.name];
    if (text !== undefined) put(values, option, readValue(text, option, nameOf(option.name), problems));
  }
  return { folder: cwd, nameOf, values };
}

// Kubernetes sets such variables for a service called millrace or millrace-server.
const KUBERNETES = /_SERVICE_(HOST|PORT)|_PORT_\d+/;

function findUnknown(env: NodeJS.ProcessEnv, problems: string[]): void {
  const known = new Set(
    CONFIG_OPTIONS.flatMap(({ env: name, schema }) => (schema.secret ? [name, `${name}_FILE`] : [name])),
  );
  const prefixes = CONFIG_SECTIONS.map(({ name }) => `MILLRACE_${name.toUpperCase()}_`);
  for (const name of Object.keys(env)) {
    if (known.has(name) || KUBERNETES.test(name) || !prefixes.some((prefix) => name.startsWith(prefix)))
      continue;
    const guess = closest(name, [...known]);
    problems.push(`${name} is not an option${guess === undefined ? '' : `; did you mean ${guess}?`}`);
  }
}

/** Variables that are empty count as not set. Secrets also come from the file that `<variable>_FILE` names. */
export function envLayer(env: NodeJS.ProcessEnv, cwd: string, problems: string[]): ConfigLayer {
  const values: Values = {};
  findUnknown(env, problems);
  for (const option of CONFIG_OPTIONS) {
    // `auth.secretFile` is an option of its own.
    const hasFile =
      option.schema.secret === true && !CONFIG_OPTIONS.some((other) => other.env === `${option.env}_FILE`);
    const file = hasFile ? env[`${option.env}_FILE`] : undefined;
    const text =
      env[option.env] || (file ? readText(resolve(cwd, file), `${option.env}_FILE`, problems) : undefined);
    if (text) put(values, option, readValue(text, option, option.env, problems));
  }
  const nameOf = (name: string) => CONFIG_OPTIONS.find((option) => option.name === name)?.env ?? name;
  return { folder: cwd, nameOf, values };
}

/** The configuration file that is used when none is named. Throws a `ConfigError` when there are two. */
export function findConfigFile(cwd: string): string | undefined {
  const found = CONFIG_FILES.filter((name) => existsSync(resolve(cwd, name)));
  if (found.length > 1)
    throw new ConfigError([
      `${found.join(' and ')} both exist in ${cwd}; remove one, or name one with --config`,
    ]);
  return found[0] === undefined ? undefined : resolve(cwd, found[0]);
}

async function readConfigFile(path: string): Promise<unknown> {
  if (path.endsWith('.json')) return JSON.parse(readFileSync(path, 'utf8'));
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  if (module.default === undefined) throw new Error('it has no default export');
  return module.default;
}

/** Where TypeScript breaks, in this file or one that it imports: Node says so in the stack alone. */
function placeOf({ name, stack = '' }: Error): string {
  const [, path, line] = (name === 'SyntaxError' && /^(.+):(\d+)\n/.exec(stack)) || [];
  return path === undefined ? '' : ` (${basename(path)}, line ${line})`;
}

export async function fileLayer(file: string): Promise<ConfigLayer> {
  const label = basename(file);
  if (!existsSync(file)) throw new ConfigError([`${file} does not exist`]);
  let values: unknown;
  try {
    values = await readConfigFile(file);
  } catch (error) {
    throw new ConfigError([`${file} cannot be read: ${(error as Error).message}${placeOf(error as Error)}`]);
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ConfigError([`${file} must hold one object`]);
  }
  // `$schema` is for editors.
  const { $schema: _, ...rest } = values as Record<string, unknown>;
  const nameOf = (option: string) => (option === '' ? label : `${label}: ${option}`);
  return { folder: dirname(file), nameOf, values: rest };
}
