import { fstatSync, statSync } from 'node:fs';
import {
  type ControlRights,
  DEFAULT_GRACE_MS,
  loadTerminals,
  type TerminalMaker,
  TerminalsMissingError,
} from '@millrace/server/process';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import type { ConnectionFlags } from '../connection.ts';
import { EXIT } from '../exit-code.ts';
import { duration, topic } from '../option-values.ts';

export interface RunFlags extends ConnectionFlags {
  readonly topic?: string;
  readonly pty?: true;
  /** False: `--no-control`. */
  readonly control: boolean;
  readonly stdin: 'own' | 'viewers';
  readonly timeout?: number;
  readonly grace: number;
  readonly flushTimeout: number;
  readonly bestEffort?: true;
  readonly quiet?: true;
}

export function addRunOptions(command: Command): void {
  command
    .option(
      '--topic <topic>',
      'the topic, which is sealed at the end; tool.<execution id> when not given',
      topic,
    )
    .option('--pty', 'give the command a terminal of its own, as wide and high as ours')
    .option('--no-control', 'let no viewer type, send a signal or cancel')
    .addOption(
      new Option(
        '--stdin <whose>',
        'who types: us; or viewers who may, which is so anyway on a terminal (--pty) when our stdin is /dev/null',
      )
        .choices(['own', 'viewers'])
        .default('own'),
    )
    .addOption(new Option('--timeout <duration>', 'cancel the command after so long').argParser(duration))
    .addOption(
      new Option('--grace <duration>', 'what a command that is cancelled has from SIGTERM to SIGKILL')
        .argParser(duration)
        .default(DEFAULT_GRACE_MS, '10s'),
    )
    .addOption(
      new Option('--flush-timeout <duration>', 'how long to wait at the end until everything is stored')
        .argParser(duration)
        .default(60_000, '1m'),
    )
    .option(
      '--best-effort',
      'run the command without recording it when the server cannot be reached at the start',
    )
    .option('-q, --quiet', 'no status on stderr')
    .passThroughOptions();
}

/** Whether nobody can type on our stdin. */
function isStdinUnused(): boolean {
  try {
    return fstatSync(0).rdev === statSync('/dev/null').rdev && fstatSync(0).isCharacterDevice();
  } catch {
    // It is closed.
    return true;
  }
}

/** Who types into the command. */
export function typistOf({ stdin, pty, control }: RunFlags): 'own' | 'viewers' {
  if (!control) return 'own';
  return stdin === 'viewers' || (pty === true && isStdinUnused()) ? 'viewers' : 'own';
}

/** What viewers may do; `undefined`: nothing. */
export function controlRightsOf(flags: RunFlags): ControlRights | undefined {
  if (!flags.control) return undefined;
  const resize = flags.pty === true && !process.stdout.isTTY;
  return { stdin: typistOf(flags) === 'viewers', resize };
}

export async function terminalMakerOf({ pty }: RunFlags): Promise<TerminalMaker | undefined> {
  if (!pty) return undefined;
  try {
    return await loadTerminals();
  } catch (cause) {
    if (!(cause instanceof TerminalsMissingError)) throw cause;
    throw new CliError(`--pty: ${cause.message}`, EXIT.runFailed, { cause });
  }
}
