/** Runs tasks one after the other, in the order in which they were given; one that fails holds up no other. */
export class TaskChain {
  #last: Promise<unknown> = Promise.resolve();
  #unfinished = 0;

  get busy(): boolean {
    return this.#unfinished > 0;
  }

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#unfinished++;
    const result = this.#last.then(task);
    this.#last = result.then(this.#onDone, this.#onDone);
    return result;
  }

  readonly #onDone = (): void => {
    this.#unfinished--;
  };
}

/** Work whose result serves everybody who asked before it began. */
export class SharedWork<Result> {
  readonly #chain: TaskChain;
  readonly #work: () => Promise<Result>;
  #waiting: Promise<Result> | undefined;

  /** Takes its turns in the chain. */
  constructor(chain: TaskChain, work: () => Promise<Result>) {
    this.#chain = chain;
    this.#work = work;
    this.#waiting = undefined;
  }

  /** Joins the run that waits to begin, or has another one wait. */
  ask(): Promise<Result> {
    this.#waiting ??= this.#chain.run(() => {
      this.#waiting = undefined;
      return this.#work();
    });
    return this.#waiting;
  }
}
