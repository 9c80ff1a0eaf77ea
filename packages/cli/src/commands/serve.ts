import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MillraceServer } from '@millrace/server';
import { CONFIG_OPTIONS, type Config } from '@millrace/server/config';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { explainConfig, readConfig } from '../config-file.ts';
import { EXIT } from '../exit-code.ts';
import { findLocalKey, signLocalToken } from '../local-token.ts';
import { complain, say } from '../status.ts';
import { writeOut } from '../stdout.ts';

interface ServeFlags {
  readonly config?: string;
  readonly [flag: string]: string | undefined;
}

const ADMIN_TOKEN_TTL_MS = 3_600_000;

/** The options that the schema gives a flag. */
const FLAGS = CONFIG_OPTIONS.flatMap(({ name, schema }) =>
  schema.flag === undefined
    ? []
    : [
        {
          name,
          option: new Option(
            `${schema.flag} <${schema.path ? 'path' : name.split('.')[1]}>`,
            schema.description,
          ),
        },
      ],
);

/** What keeps the log from being opened is the environment's fault, and told by its message alone. */
function explainOpen(error: unknown): unknown {
  // What the configuration says wrongly has its own exit status; our own mistakes keep their stack.
  if (error instanceof TypeError || error instanceof ReferenceError) return error;
  const explained = explainConfig(error);
  if (explained !== undefined) return explained;
  return new CliError((error as Error).message, EXIT.failed, { cause: error });
}

function explainListen(error: unknown, { server }: Config): CliError {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (syscall === 'open') {
    return new CliError(`the certificate or its key cannot be read: ${message}`, EXIT.usage, {
      cause: error,
    });
  }
  const place = `${server.host}:${server.port}`;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `${place} is in use by another process; stop it, or choose another --port`,
    EACCES: `this user may not listen on ${place}; choose a --port from 1024`,
    EADDRNOTAVAIL: `this machine has no address ${server.host}; choose another --host`,
  };
  return new CliError(reasons[code ?? ''] ?? message, EXIT.failed, { cause: error });
}

/** Where the built dashboard is: beside this package's code when published, in its own package in the workspace. */
function findDashboard(): string | undefined {
  const places = ['../../dashboard/', '../../../dashboard/dist/'].map(
    (place) => new URL(place, import.meta.url),
  );
  const found = places.find((place) => existsSync(new URL('index.html', place)));
  return found && fileURLToPath(found);
}

async function start(config: Config): Promise<{ readonly server: MillraceServer; readonly url: string }> {
  // Other commands do without the server's code.
  const { createServer } = await import('@millrace/server');
  const dashboardDirectory = findDashboard();
  const server = await createServer({
    ...config,
    ...(dashboardDirectory !== undefined && { dashboardDirectory }),
  }).catch((error: unknown) => {
    throw explainOpen(error);
  });
  try {
    const { url } = await server.listen();
    return { server, url };
  } catch (error) {
    await server.close();
    throw explainListen(error, config);
  }
}

async function greet(config: Config, url: string): Promise<void> {
  const lines = [`Millrace is listening on ${url}`, `  data       ${config.data.directory}`];
  if (findLocalKey(config) !== undefined) {
    const token = await signLocalToken(config, {
      userId: 'admin',
      roles: ['admin'],
      ttlMs: ADMIN_TOKEN_TTL_MS,
    });
    // In the fragment, which browsers send to nobody, so that no log ever has it.
    lines.push(`  dashboard  ${url}/#token=${token}`, '             (an admin’s link, for one hour)');
  } else {
    lines.push(`  dashboard  ${url}/`);
  }
  await writeOut(`${lines.join('\n')}\n`);
}

function stopOnSignals(server: MillraceServer): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(EXIT.failed);
    stopping = true;
    say('stopping: telling clients to come back, finishing what is being stored; once more to stop at once');
    server.close().catch((error: unknown) => {
      complain(`could not stop cleanly: ${String(error)}`);
      process.exit(EXIT.failed);
    });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
}

async function serve({ config: file, ...given }: ServeFlags): Promise<void> {
  const flags = Object.fromEntries(FLAGS.map(({ name, option }) => [name, given[option.attributeName()]]));
  const config = await readConfig({ flags, file });
  // A server goes on when nobody reads its greeting any more.
  process.stdout.on('error', () => {});
  const { server, url } = await start(config);
  stopOnSignals(server);
  await greet(config, url);
}

export function addServe(program: Command): void {
  const command = program.command('serve').description('Run the server, with its dashboard.');
  for (const { option } of FLAGS) command.addOption(option);
  command
    .option('--config <file>', 'instead of millrace.config.{json,ts} in the working folder')
    .action(serve);
}
