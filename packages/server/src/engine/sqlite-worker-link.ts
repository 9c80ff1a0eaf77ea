import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** The thread ended, or never came up; what it was doing is unknown. */
export class WorkerDiedError extends Error {
  override readonly name = 'WorkerDiedError';
}

interface Waiting<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: WorkerDiedError) => void;
}

/** What a request brings is garbage once it is answered: in more room there is only more of it at a time. */
const YOUNG_MB = 4;

/** One worker thread that answers every request, in order. */
export class WorkerLink<Request, Reply> {
  readonly #worker: Worker;
  #waiting: Waiting<Reply>[] = [];
  #died: WorkerDiedError | undefined = undefined;

  /** `name` is the worker's file in this folder, without extension: it runs from source and as built alike. */
  constructor(name: string, workerData: unknown) {
    this.#worker = new Worker(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url), {
      name,
      workerData,
      execArgv: moduleFlags(process.execArgv),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker.on('message', (reply: Reply) => this.#waiting.shift()?.resolve(reply));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', (code) => this.#die(new Error(`it exited with code ${code}`)));
    // A server stays up for its sockets' sake, not for its disk's; requests under way hold it.
    this.#worker.unref();
  }

  request(message: Request): Promise<Reply> {
    if (this.#died !== undefined) return Promise.reject(this.#died);
    if (this.#waiting.length === 0) this.#worker.ref();
    return new Promise<Reply>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(message);
    }).finally(() => {
      if (this.#waiting.length === 0) this.#worker.unref();
    });
  }

  /** Ends the thread as it stands; what it was doing is unknown. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #die(cause: Error): void {
    if (this.#died !== undefined) return;
    this.#died = new WorkerDiedError(`The storage thread ended: ${cause.message}`, { cause });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(this.#died);
  }
}

/** Flags with a value that say how modules are found and read. */
const MODULE_FLAGS: ReadonlySet<string> = new Set([
  '--conditions',
  '-C',
  '--import',
  '--experimental-loader',
  '--loader',
]);

/**
 * The flags of this process that are the thread's too: those that say how modules are found, such as the conditions under
 * which packages resolve. A thread refuses flags of V8, and has an entry of its own.
 */
function moduleFlags(flags: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < flags.length; i++) {
    const [name = '', value] = (flags[i] as string).split('=', 2);
    if (!MODULE_FLAGS.has(name)) continue;
    kept.push(name, value ?? flags[++i] ?? '');
  }
  return kept;
}
