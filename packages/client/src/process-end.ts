import type { LastWords, ProcessEnd, Unfinished } from './platform.ts';

/** What is used of Node, which the types of a browser do not know. */
interface NodeProcess {
  readonly pid: number;
  /** Of old versions of `signal-exit`. */
  readonly __signal_exit_emitter__?: Counted | undefined;
  on(event: string, listener: (value: never) => void): void;
  off(event: string, listener: (value: never) => void): void;
  listenerCount(event: string): number;
  kill(pid: number, signal: string): void;
  getBuiltinModule(name: 'node:worker_threads'): { readonly Worker: WorkerConstructor };
}

interface Counted {
  readonly count: number;
}

type WorkerConstructor = new (
  script: string,
  options: { eval: true; workerData: unknown; execArgv: readonly string[] },
) => object;

const SIGNAL_EXIT: unique symbol = Symbol.for('signal-exit emitter') as never;

const world = globalThis as unknown as {
  readonly process: NodeProcess;
  readonly [SIGNAL_EXIT]?: Counted | undefined;
};
const { process: node } = world;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** How long a signal is held up until what is unfinished has been told. */
const SETTLE_MS = 2000;
/** How long the process waits in its last moment, when the server is there and does not answer. */
const LAST_WORDS_MS = 1500;

/** Other threads go on while this one waits: the only way to send something when the event loop has ended. */
const SEND = `
const { flag, requests } = require('node:worker_threads').workerData;
Promise.allSettled(requests.map(({ url, ...init }) => fetch(url, init))).then(() => {
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
});`;

/**
 * Node's end. A signal that nobody else listens to is held back until everything was told, then raised again; where the
 * application listens, ending is its own affair. `process.exit`, an uncaught error and an empty event loop leave no time:
 * what is unfinished then is told by another thread, while this one waits. `SIGKILL`, a crash of Node and a power cut
 * leave not even that.
 */
class WatchedProcess implements ProcessEnd {
  readonly #unfinished = new Set<Unfinished>();
  #uncaught: string | undefined;

  watch(unfinished: Unfinished): () => void {
    // An object of its own for each watch, so that each undo is for one.
    const entry = { ...unfinished };
    if (this.#unfinished.size === 0) this.#listen();
    this.#unfinished.add(entry);
    return () => {
      if (this.#unfinished.delete(entry) && this.#unfinished.size === 0) this.#unlisten();
    };
  }

  #listen(): void {
    for (const signal of SIGNALS) node.on(signal, this.#onSignal);
    node.on('uncaughtExceptionMonitor', this.#onUncaught);
    node.on('exit', this.#onExit);
  }

  #unlisten(): void {
    for (const signal of SIGNALS) node.off(signal, this.#onSignal);
    node.off('uncaughtExceptionMonitor', this.#onUncaught);
    node.off('exit', this.#onExit);
  }

  readonly #onSignal = (signal: string): void => {
    if (node.listenerCount(signal) > 1 + politeListeners()) return;
    // Whoever cannot wait sends it once more, and nothing holds that one up.
    node.off(signal, this.#onSignal);
    const settled = [...this.#unfinished].map((each) => each.settle(`the process was ended by ${signal}`));
    const late = new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    void Promise.race([Promise.all(settled), late]).then(() => {
      for (const each of SIGNALS) node.off(each, this.#onSignal);
      node.kill(node.pid, signal);
    });
  };

  /** Only listens: what becomes of the error is not changed. Where the application goes on, the next end is another one. */
  readonly #onUncaught = (error: unknown): void => {
    this.#uncaught = `uncaught: ${error instanceof Error ? error.message : String(error)}`;
    setTimeout(() => {
      this.#uncaught = undefined;
    }, 0);
  };

  readonly #onExit = (code: number): void => {
    const why = this.#uncaught ?? `the process ended with exit code ${code}`;
    const words = [...this.#unfinished].map((each) => each.lastWords(why));
    sayNow(words.filter(({ events }) => events.length > 0));
  };
}

/**
 * `signal-exit`, which many packages bring along, ends the process only when nobody else listens, as we do: it must not be
 * taken for the application, or the process would not end at all.
 */
function politeListeners(): number {
  return (world[SIGNAL_EXIT]?.count ?? 0) + (node.__signal_exit_emitter__?.count ?? 0);
}

function sayNow(words: readonly LastWords[]): void {
  if (words.length === 0) return;
  const requests = words.map(({ url, token, events }) => ({
    url,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ events }),
  }));
  const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const { Worker } = node.getBuiltinModule('node:worker_threads');
  new Worker(SEND, { eval: true, workerData: { flag, requests }, execArgv: [] });
  Atomics.wait(flag, 0, 0, LAST_WORDS_MS);
}

export const processEnd: ProcessEnd = new WatchedProcess();
