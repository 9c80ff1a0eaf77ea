import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Command,
  type ControlRights,
  controlNames,
  Execution,
  type Outcome,
  startWatchdog,
  type TerminalMaker,
  type Watchdog,
} from '@millrace/server/process';
import { printable } from '../event-line.ts';
import { say } from '../status.ts';
import type { ControlFollower } from './control-follower.ts';
import { connectOwnTerminal, followOwnSize, hasTerminal, ownTerminalSize } from './own-terminal.ts';
import type { Recorder } from './recorder.ts';
import { type RunFlags, typistOf } from './run-options.ts';
import { LOST_RUN_VARIABLE, type LostRun } from './seal-lost-run.ts';
import type { Signals } from './signals.ts';

export interface RecordedRun {
  readonly flags: RunFlags;
  /** Present: the command gets a terminal. */
  readonly terminals: TerminalMaker | undefined;
  readonly recorder: Recorder;
  readonly follower: ControlFollower | undefined;
  readonly control: ControlRights | undefined;
  readonly lostRun: LostRun;
  readonly signals: Signals;
}

const SEALER = fileURLToPath(new URL(`./seal-lost-run${extname(import.meta.url)}`, import.meta.url));

/** Ends the command and seals its topic when we die without a chance to. */
function watch(execution: Execution, graceMs: number, lostRun: LostRun): Watchdog {
  return startWatchdog({
    group: execution.ownGroup,
    graceMs,
    afterwards: {
      command: [process.execPath, ...process.execArgv, SEALER],
      env: { ...process.env, [LOST_RUN_VARIABLE]: JSON.stringify(lostRun) },
    },
  });
}

/** Lets who types type, and the terminal have its size. Returns the undo. */
function connectInput(execution: Execution, { flags, terminals }: RecordedRun): () => void {
  if (terminals === undefined) return () => {};
  return typistOf(flags) === 'own' ? connectOwnTerminal(execution) : followOwnSize(execution);
}

/** Whoever sits here sees that it ended, and not that it was ended. */
function sayWhy(ending: Execution['ending']): void {
  if (ending?.reason === 'timeout') say('the command took longer than --timeout allows');
  if (ending?.reason === 'cancelled')
    say(`cancelled by ${ending.by === undefined ? 'a viewer' : printable(JSON.stringify(ending.by))}`);
}

/** Runs a command as if alone, and records its life and output. The watchdog is still awake: not everything is stored yet. */
export async function runRecorded(
  command: Command,
  run: RecordedRun,
): Promise<{ readonly outcome: Outcome; readonly watchdog: Watchdog }> {
  const { flags, terminals, recorder, follower, control, lostRun, signals } = run;
  const viewersType = typistOf(flags) === 'viewers';
  const execution = new Execution(
    command,
    {
      stdin: viewersType ? 'pipe' : 'inherit',
      // Where there is a terminal, the command keeps it, as alone: it may ask for a password there.
      ownGroup: !hasTerminal(),
      terminal: terminals && { maker: terminals, size: ownTerminalSize() },
      passOn: { stdout: process.stdout, stderr: process.stderr },
      timeoutMs: flags.timeout,
      graceMs: flags.grace,
      about: control && { control: controlNames(control) },
    },
    recorder,
  );
  const watchdog = watch(execution, flags.grace, lostRun);
  signals.passOn((signal) => execution.forward(signal), { sharesTerminal: execution.ownGroup === undefined });
  const disconnectInput = connectInput(execution, run);
  if (control !== undefined) follower?.start(execution, control);
  const outcome = await execution.exited;
  // Output may still come, of what the command left behind: until it ends, or we are told to.
  signals.stopOnce(() => execution.abandonOutput());
  disconnectInput();
  sayWhy(execution.ending);
  await execution.finished;
  return { outcome, watchdog };
}
