#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { describeFailure } from './cli-error.ts';
import { addConfig } from './commands/config.ts';
import { addInbox } from './commands/inbox.ts';
import { addListen } from './commands/listen.ts';
import { addPub } from './commands/pub.ts';
import { addRun } from './commands/run.ts';
import { addServe } from './commands/serve.ts';
import { addSub } from './commands/sub.ts';
import { addToken } from './commands/token.ts';
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

for (const add of [addServe, addPub, addSub, addInbox, addListen, addRun, addToken, addConfig]) add(program);

try {
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
