import { resolve } from 'node:path';
import { CONFIG_OPTIONS, type Config, defaultConfig, type OptionSchema } from '@millrace/server/config';
import type { Command } from 'commander';
import { readConfig } from '../config-file.ts';
import { documentConfig } from '../config-reference.ts';
import { say } from '../status.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';

/** The configuration as it may be shown: secrets that are set are left out, and of families, which have functions, all but the names. */
export function withoutSecrets({ families, ...config }: Config): Record<string, unknown> {
  const shown: Record<string, unknown> = { ...config };
  for (const { section, key, schema } of CONFIG_OPTIONS) {
    const values = shown[section] as Record<string, unknown> | undefined;
    if (key === undefined || values?.[key] === undefined) continue;
    shown[section] = { ...values, [key]: withoutSecret(values[key], schema) };
  }
  return { ...shown, families: families.map(({ name }) => name) };
}

function withoutSecret(value: unknown, { secret, items, properties }: OptionSchema): unknown {
  if (secret === true) return isEmpty(value) ? value : '(secret)';
  if (typeof value === 'function') return '(function)';
  if (Array.isArray(value)) {
    return items === undefined ? value : value.map((each) => withoutSecret(each, items));
  }
  if (typeof value !== 'object' || value === null || properties === undefined) return value;
  const fields = Object.entries(value).map(([name, field]) => [
    name,
    withoutSecret(field, properties[name] ?? {}),
  ]);
  return Object.fromEntries(fields);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

interface CheckFlags {
  readonly config?: string;
}

async function check(file: string | undefined, flags: CheckFlags): Promise<void> {
  exitOnBrokenPipe();
  const config = await readConfig({ file: file ?? flags.config });
  say(
    `the configuration in ${file === undefined ? process.cwd() : resolve(file)} is valid; this is what serve uses:`,
  );
  await writeOut(`${JSON.stringify(withoutSecrets(config), null, 2)}\n`);
}

export function addConfig(program: Command): void {
  const command = program
    .command('config')
    .description('Check the configuration, print its defaults or its reference.');
  command
    .command('check')
    .description('Check the configuration that `serve` would use here, and print it without secrets.')
    .argument('[file]', 'instead of millrace.config.{json,ts} in the working folder')
    .option('--config <file>', 'the same')
    .action(check);
  command
    .command('default')
    .description('Print the defaults as JSON, to begin a millrace.config.json with.')
    .action(async () => {
      exitOnBrokenPipe();
      await writeOut(`${JSON.stringify(defaultConfig(), null, 2)}\n`);
    });
  command
    .command('doc')
    .description('Print the reference of all options, flags and environment variables, as Markdown.')
    .action(async () => {
      exitOnBrokenPipe();
      await writeOut(documentConfig());
    });
}
