import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { signToken, systemClock } from '@millrace/server/config';
import type { Command } from '../cores.ts';

/** Where `millrace` is, for processes of one's own. */
export const millrace: string = fileURLToPath(new URL('../../packages/cli/bin/millrace.js', import.meta.url));

/** A server as users run it: `millrace serve`, in a process of its own. */
export interface ServedMillrace {
  readonly url: string;
  readonly pid: number;
  /** What else runs `millrace` beside it needs. */
  readonly env: NodeJS.ProcessEnv;
  token(role: 'admin' | 'observer' | 'publisher'): Promise<string>;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Its data. */
  readonly directory: string;
  /** Beside those that make it quiet. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where it runs; anywhere when missing. */
  readonly place?: (command: string, args: readonly string[]) => Command;
}

const SECRET = 'the soak test signs its own tokens with this';

export async function startServe({
  directory,
  env,
  place = anywhere,
}: ServeOptions): Promise<ServedMillrace> {
  const own = { ...process.env, MILLRACE_AUTH_SECRET: SECRET, MILLRACE_LOG_LEVEL: 'warn' };
  const { command, args } = place(process.execPath, [millrace, 'serve', '--port', '0']);
  const server = spawn(command, args, {
    cwd: directory,
    env: { ...own, MILLRACE_HOST_ENABLED: 'false', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(server, 'exit');
  const [greeting] = (await Promise.race([once(server.stdout, 'data'), exited])) as [unknown];
  const url = /listening on (\S+)/.exec(String(greeting))?.[1];
  if (url === undefined || server.pid === undefined) throw new Error(`millrace serve said: ${greeting}`);
  return {
    url,
    pid: server.pid,
    env: own,
    token: (role) =>
      signToken({
        key: { alg: 'HS256', secret: SECRET },
        userId: 'soak',
        roles: [role],
        ttlMs: 7_200_000,
        clock: systemClock,
      }),
    close: async () => {
      server.kill('SIGTERM');
      await exited;
    },
  };
}

function anywhere(command: string, args: readonly string[]): Command {
  return { command, args };
}
