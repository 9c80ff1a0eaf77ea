import { Buffer } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What `millrace` runs, for what starts it without us. */
export const MAIN = fileURLToPath(new URL('../bin/start.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed. Without it stdin stays open. */
  readonly input?: string;
}

/** The real command as a real process. */
export class Millrace {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #watchers = new Set<() => void>();
  #ended = false;

  constructor(args: readonly string[], { cwd, env = {}, input }: StartOptions) {
    this.child = spawn(process.execPath, ['--conditions=source', MAIN, ...args], {
      cwd,
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, HOME: cwd, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    if (input !== undefined) this.child.stdin?.end(input);
    this.child.stdout?.on('data', (bytes: Buffer) => this.#add(this.#stdout, bytes));
    this.child.stderr?.on('data', (bytes: Buffer) => this.#add(this.#stderr, bytes));
    this.finished = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        this.#ended = true;
        for (const check of this.#watchers) check();
        resolve({ code, signal, stdout: Buffer.concat(this.#stdout), stderr: this.stderr });
      });
    });
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** The first match in what is written to `stream`, as soon as it is there. Rejects when the process ends without it. */
  waitFor(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const match = pattern.exec(this[stream]);
        if (match === null && !this.#ended) return;
        this.#watchers.delete(check);
        if (match !== null) resolve(match);
        else reject(new Error(`ended without ${pattern} in its ${stream}:\n${this.stdout}\n${this.stderr}`));
      };
      this.#watchers.add(check);
      check();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #add(chunks: Buffer[], bytes: Buffer): void {
    chunks.push(bytes);
    for (const check of this.#watchers) check();
  }
}

/** A running `millrace serve`. */
export interface Served {
  readonly process: Millrace;
  readonly url: string;
}

export async function serve(cwd: string, args: readonly string[] = ['--port', '0']): Promise<Served> {
  const server = new Millrace(['serve', ...args], { cwd, env: { MILLRACE_LOG_LEVEL: 'warn' } });
  const [, url = ''] = await server.waitFor('stdout', /listening on (https?:\/\/\S+)/);
  // The link is the last that `serve` prints.
  await server.waitFor('stdout', /dashboard\s+\S+/);
  return { process: server, url };
}
