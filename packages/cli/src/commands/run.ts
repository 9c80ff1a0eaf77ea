import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import type { Client } from '@millrace/client';
import { type Command, Option } from 'commander';
import { CliError, describeFailure } from '../cli-error.ts';
import {
  type ConnectionFlags,
  connect,
  createConnectionTeller,
  findTarget,
  open,
  type Target,
} from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { EXIT } from '../exit-code.ts';
import { onceStopped } from '../interruption.ts';
import { duration, topic } from '../option-values.ts';
import { execute, executeRecorded, type Outcome } from '../run/execution.ts';
import { MAX_QUEUED, Recorder } from '../run/recorder.ts';
import { complain, say, setQuiet, showProgress } from '../status.ts';

interface RunFlags extends ConnectionFlags {
  readonly topic?: string;
  readonly flushTimeout: number;
  readonly bestEffort?: true;
  readonly quiet?: true;
}

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

async function flush(recorder: Recorder, timeoutMs: number): Promise<boolean> {
  const interrupted = new AbortController();
  onceStopped(() => interrupted.abort());
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
  const server = await reach(flags);
  if (server === undefined) return finish(await execute({ command, args }), true);
  const { target, client } = server;
  const executionId = newExecutionId(command);
  const topic = flags.topic ?? `tool.${executionId}`;
  const lost = 'connection lost; the output waits here until the server is back';
  const teller = createConnectionTeller({ lost, back: 'connected again; sending what waits' });
  let reached: Client | undefined = client;
  const recorder = new Recorder({
    topic,
    ownTopic: flags.topic === undefined,
    executionId,
    openClient() {
      const next = reached ?? open(target, { maxQueued: MAX_QUEUED });
      reached = undefined;
      teller.watch(next);
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
  try {
    const outcome = await executeRecorded({ command, args }, recorder);
    finish(outcome, await flush(recorder, flags.flushTimeout));
  } finally {
    teller.stop();
    recorder.close();
  }
}

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('Run a command as if alone, and stream its output and exit status to a topic.')
    .usage('[options] -- <command…>')
    .argument('<command...>', 'the command and its arguments')
    .option(
      '--topic <topic>',
      'the topic, which is sealed at the end; tool.<execution id> when not given',
      topic,
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
  addConnectionOptions(command).action(run);
}
