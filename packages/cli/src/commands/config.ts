import { resolve } from 'node:path';
import { CONFIG_OPTIONS, type Config, defaultConfig, loadConfig } from '@millrace/server/config';
import type { Command } from 'commander';
import { documentConfig } from '../config-reference.ts';
import { say } from '../status.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';

/** The configuration as it may be shown: secrets are left out, and of families, which have functions, all but the names. */
export function withoutSecrets({ families, ...config }: Config): Record<string, unknown> {
  const shown = structuredClone(config) as Record<string, Record<string, unknown>>;
  for (const { section, key, schema } of CONFIG_OPTIONS) {
    const values = shown[section];
    if (schema.secret === true && key !== undefined && values?.[key] !== undefined) values[key] = '(secret)';
  }
  return { ...shown, families: families.map(({ name }) => name) };
}

interface CheckFlags {
  readonly config?: string;
}

async function check(file: string | undefined, flags: CheckFlags): Promise<void> {
  exitOnBrokenPipe();
  const config = await loadConfig({ file: file ?? flags.config });
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
