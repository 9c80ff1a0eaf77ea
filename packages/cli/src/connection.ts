import { readFileSync } from 'node:fs';
import { type Client, createClient, type MillraceError, type TokenSource } from '@millrace/client';
import type { Role } from '@millrace/protocol';
import { CliError, isRefusal } from './cli-error.ts';
import { EXIT } from './exit-code.ts';
import { say } from './status.ts';
import { userName } from './user-name.ts';

export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly config?: string | undefined;
}

/** A server and how to get in. */
export interface Target {
  readonly url: string;
  readonly token: TokenSource | undefined;
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function checkUrl(url: string): string {
  if (URL.canParse(url) && /^(https?|wss?):$/.test(new URL(url).protocol)) return url.replace(/\/+$/, '');
  throw new CliError(`"${url}" is not an address; write one as http://localhost:3001`, EXIT.usage);
}

function tokenOf(flags: ConnectionFlags, env: NodeJS.ProcessEnv): string | undefined {
  const given = flags.token ?? (env.MILLRACE_TOKEN || undefined);
  if (given !== undefined) return given;
  const file = env.MILLRACE_TOKEN_FILE;
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new CliError(`MILLRACE_TOKEN_FILE: ${file} cannot be read`, EXIT.usage, { cause });
  }
}

/**
 * Which server to talk to, and with which token: flag, environment, and for a server on this machine a short-lived token of
 * its own key, with no more than `role`, for `userId`.
 */
export async function findTarget(
  flags: ConnectionFlags,
  role: Role,
  userId: string = userName(),
): Promise<Target> {
  const named = flags.url ?? (process.env.MILLRACE_URL || undefined);
  const url = named === undefined ? undefined : checkUrl(named);
  const token = tokenOf(flags, process.env);
  if (url !== undefined && (token !== undefined || !isLoopback(url))) return { url, token };
  // What reads the configuration takes as long to load as all the rest.
  const { findLocalTarget } = await import('./local-target.ts');
  const local = await findLocalTarget({ url, token, config: flags.config, role, userId });
  return { ...local, url: checkUrl(local.url) };
}

function explainFailure(url: string, error: MillraceError | undefined, hasToken: boolean): CliError {
  // Another token would not help, and the message says how long to wait.
  if (error?.code === 'abuse') {
    return new CliError(`${url} refuses: ${error.message} (${error.code})`, EXIT.refused, { cause: error });
  }
  if (error !== undefined && isRefusal(error)) {
    const advice = hasToken
      ? 'check --token or MILLRACE_TOKEN; `millrace token` on the server’s machine makes one'
      : 'give a token by --token or MILLRACE_TOKEN; `millrace token` on the server’s machine makes one';
    return new CliError(`${url} refuses: ${error.message} (${error.code}); ${advice}`, EXIT.refused, {
      cause: error,
    });
  }
  const reason = error === undefined ? '' : `: ${error.message}`;
  return new CliError(
    `cannot reach ${url}${reason}\nis the server running? start one with \`millrace serve\`, or name another by --url or MILLRACE_URL`,
    EXIT.unreachable,
    { cause: error },
  );
}

export interface OpenOptions {
  /** Publications that may wait for their answer. */
  readonly maxQueued?: number;
}

/** A client that begins to connect, and mends its connection itself. */
export function open({ url, token }: Target, options: OpenOptions = {}): Client {
  return createClient({ url, token, offlineQueue: { maxMessages: options.maxQueued } });
}

/** A client that is connected. Fails at the second attempt that fails, which shows the token in opening, or the first that is in vain. */
export function connect(target: Target, options: OpenOptions = {}): Promise<Client> {
  const client = open(target, options);
  return new Promise((resolve, reject) => {
    let lastError: MillraceError | undefined;
    let attempts = 0;
    const undo = [
      client.on('error', (error) => {
        lastError = error;
      }),
      client.on('state', (state) => {
        if (state === 'connecting') return;
        attempts += 1;
        if (state === 'connect_error' && attempts < 2) return;
        // The reason may be told right after the state.
        queueMicrotask(() => {
          for (const stop of undo) stop();
          if (state === 'connected') return resolve(client);
          client.close();
          reject(explainFailure(target.url, client.failure ?? lastError, target.token !== undefined));
        });
      }),
    ];
  });
}

export interface ConnectionTeller {
  watch(client: Client): void;
  /** Nothing more is said: the connection is about to be closed on purpose. */
  stop(): void;
}

/** Says when a connected client loses its connection, and when it, or the one after it, is back. */
export function createConnectionTeller(words: {
  readonly lost: string;
  readonly back: string;
}): ConnectionTeller {
  let lost = false;
  let stopped = false;
  let told = '';
  return {
    watch(client) {
      client.on('state', (state) => {
        if (stopped) return;
        if (state === 'connected' && lost) say(words.back);
        if (state === 'disconnected' && !lost) say(words.lost);
        lost = state !== 'connected';
      });
      client.on('error', (error) => {
        // The SDK goes on trying, but without somebody's help in vain.
        if (!stopped && isRefusal(error) && error.message !== told) say(`${error.message} (${error.code})`);
        told = error.message;
      });
    },
    stop() {
      stopped = true;
    },
  };
}
