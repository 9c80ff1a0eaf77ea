import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import type { Client } from '@millrace/client';
import type { Outcome } from '@millrace/server/process';
import type { Command } from 'commander';
import { CliError, describeFailure } from '../cli-error.ts';
import { connect, createConnectionTeller, findTarget, open, type Target } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { EXIT } from '../exit-code.ts';
import { ControlFollower } from '../run/control-follower.ts';
import { execute } from '../run/execute.ts';
import { MAX_QUEUED, Recorder } from '../run/recorder.ts';
import { addRunOptions, controlRightsOf, type RunFlags, terminalMakerOf } from '../run/run-options.ts';
import { runRecorded } from '../run/run-recorded.ts';
import { Signals } from '../run/signals.ts';
import { complain, say, setQuiet, showProgress } from '../status.ts';

/** Readable, and unique: `npm-3f9a1c2b7d`. */
function newExecutionId(command: string): string {
  const name = basename(command)
    .replace(/[^A-Za-z0-9-]+/g, '-')
    .slice(0, 40);
  return `${name}-${randomBytes(5).toString('hex')}`;
}

/** A server that was reached, or `undefined` where the command is to run without being recorded. */
async function reach(
  flags: RunFlags,
): Promise<{ readonly target: Target; readonly client: Client } | undefined> {
  try {
    const target = await findTarget(flags, 'publisher');
    return { target, client: await connect(target, { maxQueued: MAX_QUEUED }) };
  } catch (error) {
    const { message } = describeFailure(error);
    if (flags.bestEffort) {
      complain(`${message}\nrunning the command without recording it (--best-effort)`);
      return undefined;
    }
    throw new CliError(
      `${message}\nthe command was not started; --best-effort runs it all the same`,
      EXIT.runFailed,
      {
        cause: error,
      },
    );
  }
}

async function flush(recorder: Recorder, signals: Signals, timeoutMs: number): Promise<boolean> {
  const interrupted = new AbortController();
  signals.stopOnce(() => interrupted.abort());
  const progress = showProgress(
    () => `the command has ended; ${recorder.pending} events are still to be stored`,
  );
  const flushed = await recorder.flush(timeoutMs, interrupted.signal);
  progress.stop();
  if (!flushed && !recorder.failed) {
    const why = interrupted.signal.aborted
      ? 'interrupted'
      : 'the server did not store them in time (--flush-timeout)';
    complain(`${recorder.pending} events at the end were not stored: ${why}`);
  }
  return flushed;
}

function finish(outcome: Outcome, recorded: boolean): void {
  if (outcome.kind === 'failed') complain(outcome.message);
  // The command's own failure says more than ours.
  process.exitCode = outcome.exitCode === 0 && !recorded ? EXIT.runFailed : outcome.exitCode;
}

async function run([command = '', ...args]: readonly string[], flags: RunFlags): Promise<void> {
  setQuiet(flags.quiet === true);
  const terminals = await terminalMakerOf(flags);
  const server = await reach(flags);
  if (server === undefined) return finish(await execute({ command, args }), true);
  const { target, client } = server;
  const executionId = newExecutionId(command);
  const topic = flags.topic ?? `tool.${executionId}`;
  const lost = 'connection lost; the output waits here until the server is back';
  const teller = createConnectionTeller({ lost, back: 'connected again; sending what waits' });
  const control = controlRightsOf(flags);
  const follower =
    control &&
    new ControlFollower(executionId, ({ message }) => say(`viewers cannot control the command: ${message}`));
  let reached: Client | undefined = client;
  const recorder = new Recorder({
    topic,
    ownTopic: flags.topic === undefined,
    executionId,
    openClient() {
      const next = reached ?? open(target, { maxQueued: MAX_QUEUED });
      reached = undefined;
      teller.watch(next);
      void follower?.follow(next);
      return next;
    },
    onFailure(error) {
      teller.stop();
      complain(
        `${describeFailure(error).message}\nthe command goes on, and is no longer recorded on ${topic}`,
      );
    },
  });
  say(`recording on ${topic}: ${target.url}/#/tools/${encodeURIComponent(topic)}`);
  const signals = new Signals();
  try {
    const { outcome, watchdog } = await runRecorded(
      { command, args },
      {
        flags,
        terminals,
        recorder,
        follower,
        control,
        lostRun: { flags: connectionFlags(flags), topic, executionId },
        signals,
      },
    );
    const flushed = await flush(recorder, signals, flags.flushTimeout);
    // What could not be stored is as lost as we would be: the topic is sealed when the server is back.
    if (flushed || recorder.failed) watchdog.dismiss();
    else watchdog.handOver();
    finish(outcome, flushed);
  } finally {
    teller.stop();
    recorder.close();
    signals.close();
  }
}

function connectionFlags({ url, token, config }: RunFlags): Pick<RunFlags, 'url' | 'token' | 'config'> {
  return { url, token, config };
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('Run a command as if alone, and stream its output and exit status to a topic.')
    .usage('[options] -- <command…>')
    .argument('<command...>', 'the command and its arguments');
  addRunOptions(command);
  addConnectionOptions(command).action(run);
}
