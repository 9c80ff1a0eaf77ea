import { isRole, ROLES, type Role } from '@millrace/protocol';
import { durationMs } from '@millrace/server/duration';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { readConfig } from '../config-file.ts';
import { EXIT } from '../exit-code.ts';
import { signLocalToken } from '../local-token.ts';
import { duration, list } from '../option-values.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';
import { userName } from '../user-name.ts';

interface TokenFlags {
  readonly role: readonly Role[];
  readonly entity?: string;
  readonly sub: string;
  readonly ttl: number;
  readonly subscribe?: readonly string[];
  readonly publish?: readonly string[];
  readonly data?: string;
  readonly config?: string;
}

function roles(text: string, before?: readonly Role[]): readonly Role[] {
  return [
    ...(before ?? []),
    ...list(text).map((role) => {
      if (isRole(role)) return role;
      throw new InvalidArgumentError(`Roles are ${ROLES.join(', ')}.`);
    }),
  ];
}

async function printToken(flags: TokenFlags): Promise<void> {
  exitOnBrokenPipe();
  const config = await readConfig({ flags: { 'data.directory': flags.data }, file: flags.config });
  const { maxTokenLifetime } = config.auth;
  if (flags.ttl > durationMs(maxTokenLifetime)) {
    throw new CliError(
      `--ttl: the server takes no token that lives longer than ${maxTokenLifetime} (auth.maxTokenLifetime); use an API key (auth.apiKeys)`,
      EXIT.usage,
    );
  }
  const topics = { subscribe: flags.subscribe, publish: flags.publish };
  const token = await signLocalToken(config, {
    userId: flags.sub,
    entityId: flags.entity,
    roles: flags.role,
    ttlMs: flags.ttl,
    ...(topics.subscribe || topics.publish ? { topics } : {}),
  });
  await writeOut(`${token}\n`);
}

export function addToken(program: Command): void {
  program
    .command('token')
    .description('Make a token, signed with the key that `serve` uses here, and print only it.')
    .requiredOption('--role <role>', `role, several times or with commas: ${ROLES.join(', ')}`, roles)
    .option('--entity <entity>', 'the entity (tenant) it is for; "default" when not given')
    .option('--sub <user>', 'the user it is for', userName())
    .addOption(
      new Option('--ttl <duration>', 'how long it is valid').argParser(duration).default(3_600_000, '1h'),
    )
    .option('--subscribe <pattern>', 'narrow what it may read; several times or with commas', list)
    .option('--publish <pattern>', 'narrow what it may publish; several times or with commas', list)
    .option('--data <folder>', 'the data folder of the server')
    .option('--config <file>', 'the configuration of the server')
    .action(printToken);
}
