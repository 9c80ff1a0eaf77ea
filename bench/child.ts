import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** How long a process may take to end by itself before it is killed, in ms. */
const END_MS = 10_000;
/** How long a process may take to answer with a line, in ms. */
export const ANSWER_MS = 120_000;

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** For messages. */
  readonly name: string;
  readonly cwd?: string;
}

/** A process of ours that talks in lines of JSON and ends when its stdin ends. */
export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exited: Promise<unknown>;
  #waiting: ((line: string | undefined) => void) | undefined;
  #ended = false;

  constructor({ command, args, name, cwd }: ChildOptions) {
    this.name = name;
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...(cwd && { cwd }) });
    this.#process = child;
    // Without a process there is no `exit`, only `error`.
    this.#exited = new Promise((resolve) => {
      child.once('exit', resolve);
      child.once('error', resolve);
    });
    void this.#exited.then(() => this.#onEnd());
    child.stdin?.on('error', () => {});
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#lines.push(line);
      else waiting(line);
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`${this.name} could not be started`);
    return this.#process.pid;
  }

  /** Sends a line and reads the answer's line. One question at a time. */
  ask<Answer>(line: string, waitMs: number = ANSWER_MS): Promise<Answer> {
    this.#process.stdin?.write(`${line}\n`);
    return this.read(waitMs);
  }

  /** The next line of the process. Rejects when it ends or stays silent. */
  async read<Answer>(waitMs: number = ANSWER_MS): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const line = await new Promise<string | undefined>((resolve, reject) => {
      const ready = this.#lines.shift();
      if (ready !== undefined || this.#ended) {
        resolve(ready);
        return;
      }
      this.#waiting = resolve;
      timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`${this.name} said nothing for ${waitMs} ms`));
      }, waitMs);
    });
    clearTimeout(timer);
    if (line === undefined) throw new Error(`${this.name} ended before it answered`);
    // Both ends are ours.
    return JSON.parse(line) as Answer;
  }

  /** Ends the process; kills it when it does not. Idempotent. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** For processes that do not read their stdin. */
  async terminate(): Promise<void> {
    if (!this.#ended) this.#process.kill('SIGTERM');
    await this.close();
  }

  #onEnd(): void {
    this.#ended = true;
    this.#waiting?.(undefined);
    this.#waiting = undefined;
  }
}

/** Runs a command to its end; its output, or `undefined` when it is not there or fails. */
export async function outputOf(command: string, ...args: string[]): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  // Some programs say their version on stderr.
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  try {
    const [code] = await once(child, 'close');
    return code === 0 ? output : undefined;
  } catch {
    return undefined;
  }
}
