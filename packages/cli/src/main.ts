#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { describeFailure } from './cli-error.ts';
import { EXIT, EXIT_CODE_HELP } from './exit-code.ts';
import { complain } from './status.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

const program = new Command('millrace')
  .description('Real-time events: serve them, publish them, watch them, and stream any command’s output.')
  .version(version)
  .enablePositionalOptions()
  .showSuggestionAfterError()
  .addHelpText('after', EXIT_CODE_HELP)
  .exitOverride();

/** In the order of the help. Each is loaded by itself: what one needs is half of what all take to start. */
const COMMANDS: Readonly<Record<string, () => Promise<void>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe(program),
  pub: async () => (await import('./commands/pub.ts')).addPub(program),
  sub: async () => (await import('./commands/sub.ts')).addSub(program),
  inbox: async () => (await import('./commands/inbox.ts')).addInbox(program),
  listen: async () => (await import('./commands/listen.ts')).addListen(program),
  run: async () => (await import('./commands/run.ts')).addRun(program),
  token: async () => (await import('./commands/token.ts')).addToken(program),
  config: async () => (await import('./commands/config.ts')).addConfig(program),
};

/** The command that is named; all of them where none is, for the help and for suggestions. */
async function addCommands(name = ''): Promise<void> {
  const add = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (add !== undefined) return add();
  for (const addOne of Object.values(COMMANDS)) await addOne();
}

try {
  if (!['--version', '-V'].includes(process.argv[2] ?? '')) await addCommands(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { message, exitCode } = describeFailure(error);
    complain(message);
    process.exitCode = exitCode;
  }
}
