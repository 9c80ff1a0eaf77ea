import { statSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Child, Command, TerminalSize } from './child.ts';
import { ChildOutput } from './child-output.ts';
import { failureOf, noSuchFolder, type Outcome } from './outcome.ts';
import type { StreamName } from './output-chunker.ts';
import { type PipedOptions, startPiped } from './piped-child.ts';
import { sendSignal, signalGroup } from './process-group.ts';
import type { Recording } from './recording.ts';
import { startOnTerminal, type TerminalMaker } from './terminal-child.ts';

/** From SIGTERM to SIGKILL, unless said otherwise. */
export const DEFAULT_GRACE_MS = 10_000;

/** How long output may still come after everything was killed, or a command has ended upon a signal: somebody else holds the pipes. */
const LAST_OUTPUT_MS = 1000;

export interface ExecutionOptions extends PipedOptions {
  /** On a terminal of this size, whose input {@link Execution.write} is; `stdin` and `ownGroup` say nothing then. */
  readonly terminal?: { readonly maker: TerminalMaker; readonly size: TerminalSize } | undefined;
  /** Where its output is passed on to, unchanged. */
  readonly passOn?: Readonly<Record<StreamName, Writable>> | undefined;
  /** Cancelled after so long. */
  readonly timeoutMs?: number | undefined;
  readonly graceMs?: number | undefined;
  /** Bounds the output of one event, as the contents of a JSON string; 60,000 at most. */
  readonly maxOutputJsonBytes?: number | undefined;
  /** Further fields of `tool.started`. */
  readonly about?: Readonly<Record<string, unknown>> | undefined;
}

/** Why a command was told to end. */
export interface Ending {
  readonly reason: 'cancelled' | 'timeout' | 'server-stopping';
  readonly by?: string | undefined;
  readonly note?: string | undefined;
}

const producedAt = (): string => new Date().toISOString();

function start(command: Command, options: ExecutionOptions): Child | Outcome {
  const { cwd } = command;
  if (cwd !== undefined && !statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) return noSuchFolder(cwd);
  try {
    const { terminal } = options;
    if (terminal !== undefined) return startOnTerminal(terminal.maker, command, terminal.size);
    return startPiped(command, options);
  } catch (error) {
    return failureOf(command.command, error as NodeJS.ErrnoException);
  }
}

/**
 * One run of a command, recorded: `tool.started`, its output, and in the end `tool.completed` or (it could not be started)
 * `tool.failed`, which seals the topic.
 */
export class Execution {
  /** The command itself has ended; what it left behind may still write. */
  readonly exited: Promise<Outcome>;
  /** Everything is recorded. Never rejects. */
  readonly finished: Promise<Outcome>;
  readonly #command: Command;
  readonly #options: ExecutionOptions;
  readonly #recording: Recording;
  readonly #child: Child | undefined;
  readonly #startedMs: number = performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  #ending: Ending | undefined;
  #signalledMs = -Infinity;
  #over = false;

  /** Starts at once. */
  constructor(command: Command, options: ExecutionOptions, recording: Recording) {
    this.#command = command;
    this.#options = options;
    this.#recording = recording;
    const started = start(command, options);
    this.#child = 'kind' in started ? undefined : started;
    this.exited = 'kind' in started ? Promise.resolve(started) : started.exited;
    this.finished = this.#follow();
  }

  /** `undefined`: it could not be started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The process group that is the command's alone. */
  get ownGroup(): number | undefined {
    return this.#child?.ownGroup ? this.#child.pid : undefined;
  }

  write(bytes: Uint8Array): void {
    this.#child?.write(bytes);
  }

  endInput(): void {
    this.#child?.endInput();
  }

  resize(size: TerminalSize): void {
    this.#child?.resize(size);
  }

  /**
   * A signal that was sent to us: the command's alone where it shares our process group, which has had it. The command may have
   * ended without our having heard of it, so that nobody gets the signal: when it is heard to have ended right after, what it left
   * behind is waited for a second at most.
   */
  forward(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#over) return;
    this.#signalledMs = performance.now();
    if (this.#child?.ownGroup) this.signal(signal);
    else sendSignal(pid, signal);
  }

  /** To the command and everything that it started. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid !== undefined && !this.#over)
      signalGroup({ pid, ownGroup: this.#child?.ownGroup === true }, signal);
  }

  /** SIGTERM, and after the grace SIGKILL. The first reason counts. */
  cancel(ending: Ending, graceMs: number = this.#options.graceMs ?? DEFAULT_GRACE_MS): void {
    if (this.#ending !== undefined || this.#over) return;
    this.#ending = ending;
    this.signal('SIGTERM');
    this.#after(graceMs, () => {
      this.signal('SIGKILL');
      this.#after(LAST_OUTPUT_MS, () => this.abandonOutput());
    });
  }

  /** Why it is being ended; `undefined` when it ends by itself. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Waits no longer for output of what the command left behind. */
  abandonOutput(): void {
    for (const { source } of this.#child?.outputs ?? []) source.destroy();
  }

  async #follow(): Promise<Outcome> {
    if (this.#child?.pid !== undefined) this.#begin(this.#child.pid);
    const output = new ChildOutput(this.#recording, this.#options.maxOutputJsonBytes);
    const ended = this.#child?.outputs.map(({ stream, source }) =>
      output.attach(stream, source, this.#options.passOn?.[stream]),
    );
    const outcome = await this.exited;
    if (performance.now() - this.#signalledMs < LAST_OUTPUT_MS)
      this.#after(LAST_OUTPUT_MS, () => this.abandonOutput());
    await Promise.all(ended ?? []);
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    output.end();
    this.#end(outcome);
    return outcome;
  }

  #begin(pid: number): void {
    const { command, args, cwd = process.cwd() } = this.#command;
    const { terminal, about, timeoutMs } = this.#options;
    const pty = terminal && { pty: terminal.size };
    this.#recording.record('tool.started', {
      command,
      args,
      cwd,
      pid,
      ...pty,
      ...about,
      producedAt: producedAt(),
    });
    if (timeoutMs !== undefined) this.#after(timeoutMs, () => this.cancel({ reason: 'timeout' }));
  }

  #end(outcome: Outcome): void {
    const { command, args } = this.#command;
    const { exitCode: exit_code } = outcome;
    if (outcome.kind === 'failed') {
      const data = { command, args, error: outcome.message, exit_code, producedAt: producedAt() };
      this.#recording.record('tool.failed', data, { seal: true });
      return;
    }
    const duration_ms = Math.round(performance.now() - this.#startedMs);
    const signal = outcome.signal && { signal: outcome.signal };
    const data = { exit_code, duration_ms, ...signal, ...this.#whyEnded(), producedAt: producedAt() };
    this.#recording.record('tool.completed', data, { seal: true });
  }

  #whyEnded(): Readonly<Record<string, string>> {
    if (this.#ending === undefined) return {};
    const { reason, by, note } = this.#ending;
    return { reason, ...(by !== undefined && { cancelled_by: by }), ...(note !== undefined && { note }) };
  }

  #after(delayMs: number, task: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, delayMs);
    this.#timers.add(timer);
  }
}
