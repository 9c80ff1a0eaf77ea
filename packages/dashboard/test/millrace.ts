import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const workspace = join(import.meta.dirname, '../../..');
const main = join(workspace, 'packages/cli/src/main.ts');

/** A `millrace` process as a user would start it. */
export class Millrace {
  readonly child: ChildProcess;
  readonly finished: Promise<number | null>;
  #output = '';

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, ['--conditions=source', main, ...args], {
      cwd: workspace,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.finished = new Promise((resolve) => this.child.once('close', (code) => resolve(code)));
  }

  /** Resolves with the first match in what the process has written or will write. */
  async waitFor(pattern: RegExp, deadlineMs = 15_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + deadlineMs;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`no ${pattern} in the output of millrace:\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    await this.finished;
  }
}
