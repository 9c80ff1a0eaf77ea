import { resolve } from 'node:path';
import {
  CONFIG_OPTIONS,
  CONFIG_SECTIONS,
  type Config,
  type ConfigOption,
  defaultConfig,
  loadConfig,
} from '@millrace/server';
import type { Command } from 'commander';
import { say } from '../status.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';

/** The configuration as it may be shown: secrets are left out. */
export function withoutSecrets(config: Config): Record<string, unknown> {
  const shown = structuredClone(config) as Record<string, Record<string, unknown>>;
  for (const { section, key, schema } of CONFIG_OPTIONS) {
    const values = shown[section];
    if (schema.secret === true && key !== undefined && values?.[key] !== undefined) values[key] = '(secret)';
  }
  return shown;
}

function kindOf({ schema }: ConfigOption): string {
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.type === 'array') return 'list';
  if (schema.type === 'string' && schema.pattern?.includes('(ms|s|m|h|d)')) return 'duration';
  return schema.path === true ? 'path' : (schema.type ?? '');
}

function documentOption(option: ConfigOption): string {
  const { name, env, schema } = option;
  const value = schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
  const flag = schema.flag === undefined ? '' : `\`${schema.flag}\``;
  return `| \`${name}\` | ${kindOf(option)} | ${value} | \`${env}\` | ${flag} | ${schema.description ?? ''} |`;
}

/** The reference of the configuration, in Markdown. */
export function documentConfig(): string {
  const sections = CONFIG_SECTIONS.map(
    ({ name, description, options }) => `## ${name}

${description}

| option | kind | default | environment | flag | meaning |
|---|---|---|---|---|---|
${options.map(documentOption).join('\n')}
`,
  );
  return `# Configuration

A flag of \`millrace serve\` comes before an environment variable, that before \`millrace.config.json\` or \`millrace.config.ts\` in the
working folder (or the file named by \`--config\`), and that before the default. Durations are written \`500ms\`, \`30s\`, \`2m\`, \`1h\` or
\`7d\`. Relative paths start from the file that has them, else from the working folder. In the environment a list is written with commas,
anything deeper as JSON; a secret may also be in the file that \`<variable>_FILE\` names.

${sections.join('\n')}`;
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
