import { realpathSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { MillraceError } from '@millrace/protocol';
import type { Command, TerminalSize } from './child.ts';
import { environmentOf } from './process-environment.ts';

/** A command that configuration allows, and what a request may say of it. */
export interface AllowedCommand {
  readonly name: string;
  readonly command: string;
  /** These come first. */
  readonly args: readonly string[];
  /** Whether one more argument is permitted. */
  readonly permitsArg: (arg: string) => boolean;
  /** Where it runs; a request may name a folder below it. */
  readonly cwd: string | undefined;
  /** Names of variables that a request may set. */
  readonly env: readonly string[];
  /** Names of variables of the server's environment that it gets beside the harmless ones. */
  readonly passEnv: readonly string[];
  readonly timeoutMs: number | undefined;
  readonly maxRunning: number | undefined;
  /** Who may may type into it. On a terminal they may anyway. */
  readonly stdin: boolean;
  readonly pty: boolean;
  /** Entities whose members with the role may run it. */
  readonly entities: readonly string[];
}

/** What somebody asks for. */
export interface ProcessRequest {
  /** The name of an allowed command. */
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly pty?: TerminalSize | undefined;
  /** A duration, such as `30s`; counts where it is sooner than the command's own. */
  readonly timeout?: string | undefined;
}

/** Of the JSON of a request's arguments: `tool.started` has them, and must fit into an event. */
const MAX_ARGS_BYTES = 16_384;

function refuse(name: string, what: string): never {
  throw new MillraceError('forbidden', `the command "${name}" does not allow ${what}`, {
    details: { command: name },
  });
}

/** The folder that a request means, which lies within the command's own also when links are followed. */
function folderOf({ name, cwd }: AllowedCommand, asked: string | undefined): string | undefined {
  if (asked === undefined) return cwd;
  if (cwd === undefined) return refuse(name, 'a working folder');
  const root = realpathSync(cwd);
  const folder = realFolder(resolve(root, asked));
  if (folder === root || folder?.startsWith(root + sep)) return folder;
  return refuse(name, `the working folder ${JSON.stringify(asked)}`);
}

function realFolder(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // Whether it is there is nobody's business.
    return undefined;
  }
}

function checkSize(args: readonly string[]): void {
  const bytes = Buffer.byteLength(JSON.stringify(args));
  if (bytes <= MAX_ARGS_BYTES) return;
  throw new MillraceError('too-large', `the arguments have ${bytes} bytes as JSON, over ${MAX_ARGS_BYTES}`, {
    details: { maxBytes: MAX_ARGS_BYTES },
  });
}

/** What is to be run for a request. Throws a `MillraceError`: `forbidden` for what the command does not allow, `too-large`. */
export function resolveCommand(
  allowed: AllowedCommand,
  { args = [], cwd, env = {}, pty }: ProcessRequest,
  serverEnv: NodeJS.ProcessEnv,
): Command {
  const { name } = allowed;
  checkSize(args);
  const strange = args.find((arg) => !allowed.permitsArg(arg));
  if (strange !== undefined) refuse(name, `the argument ${JSON.stringify(strange)}`);
  const variable = Object.keys(env).find((key) => !allowed.env.includes(key));
  if (variable !== undefined) refuse(name, `the variable ${JSON.stringify(variable)}`);
  if (pty !== undefined && !allowed.pty) refuse(name, 'a terminal');
  return {
    command: allowed.command,
    args: [...allowed.args, ...args],
    cwd: folderOf(allowed, cwd),
    env: { ...environmentOf(serverEnv, allowed.passEnv), ...env },
  };
}
