import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { until, within } from '@millrace/testkit';
import type { RunBlock } from './guide.ts';

/** How long a block may take, or what it should print may be missing: the machine may be busy with other tests. */
const BLOCK_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 5_000;
const LOOK_EVERY_MS = 20;

/** A block that runs, or has run: what it printed so far, both streams as a terminal shows them. */
export interface Started {
  readonly block: RunBlock;
  readonly output: () => string;
}

/**
 * The terminal of a guide's reader: one `sh` in which all blocks run, so that variables go from one to the next. `close` ends what still
 * runs in it.
 */
export class GuideShell {
  readonly #folder: string;
  readonly #shell: ChildProcess;
  readonly #closed: Promise<void>;
  #statuses = '';
  #ended = false;
  #blocks = 0;
  #newest: Started | undefined;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    // A group of its own, so that it can be ended together with what it started.
    this.#shell = spawn('sh', [], { cwd: folder, env, detached: true, stdio: ['pipe', 2, 2, 'pipe'] });
    this.#closed = new Promise((resolve) => this.#shell.once('close', () => resolve()));
    this.#shell.once('exit', () => {
      this.#ended = true;
    });
    (this.#shell.stdio[3] as Readable).on('data', (text: Buffer) => {
      this.#statuses += text.toString();
    });
  }

  /** What the newest block has printed, for when it fails. */
  get printed(): string {
    return this.#newest?.output() ?? '';
  }

  /** Runs a block to its end, which must be a success. */
  async run(block: RunBlock): Promise<Started> {
    const { name, command, started } = this.#prepare(block);
    this.#send(`${command}; echo ${name} >&3\n`);
    const finished = (): boolean => this.#statuses.includes(`${name}\n`);
    await until(() => look(() => finished() || this.#ended), 'the block to end', BLOCK_DEADLINE_MS);
    // The shell ends with the first command that fails.
    if (!finished()) throw new Error(`exit status ${this.#shell.exitCode}`);
    return started;
  }

  start(block: RunBlock): Started {
    const { command, started } = this.#prepare(block);
    this.#send(`${command} &\n`);
    return started;
  }

  async close(): Promise<void> {
    const { pid } = this.#shell;
    if (pid === undefined) return;
    endGroup(pid, 'SIGTERM');
    await within(this.#closed, 'the guide’s processes to end', STOP_DEADLINE_MS).catch(() =>
      endGroup(pid, 'SIGKILL'),
    );
  }

  #prepare(block: RunBlock): { readonly name: string; readonly command: string; readonly started: Started } {
    const name = `block-${++this.#blocks}`;
    const script = `${name}.${block.language === 'ts' ? 'mts' : 'sh'}`;
    const output = join(this.#folder, `${name}.txt`);
    writeFileSync(
      join(this.#folder, script),
      block.language === 'ts' ? block.text : `set -e\n${block.text}\n`,
    );
    const command = block.language === 'ts' ? `set -e; node --conditions=source ${script}` : `. ./${script}`;
    const started = { block, output: () => (existsSync(output) ? readFileSync(output, 'utf8') : '') };
    this.#newest = started;
    return { name, command: `{ ${command}; } </dev/null >${name}.txt 2>&1`, started };
  }

  #send(line: string): void {
    (this.#shell.stdin as Writable).write(line);
  }
}

/** Waits until what a block printed satisfies, or the deadline. */
export async function untilPrinted(
  { output }: Started,
  satisfies: (output: string) => boolean,
): Promise<void> {
  await until(() => look(() => satisfies(output())), 'what it should print', BLOCK_DEADLINE_MS);
}

/** Looks now and then: other processes need the processor more. */
async function look(condition: () => boolean): Promise<boolean> {
  if (condition()) return true;
  await delay(LOOK_EVERY_MS);
  return condition();
}

function endGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}
