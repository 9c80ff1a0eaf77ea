import type { Command } from 'commander';

/** The options of every command that talks to a server. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the server (MILLRACE_URL); this machine’s, as configured here, when not given')
    .option('--token <token>', 'a token (MILLRACE_TOKEN, or the file named by MILLRACE_TOKEN_FILE)')
    .option('--config <file>', 'the configuration that tells this machine’s server and key');
}
