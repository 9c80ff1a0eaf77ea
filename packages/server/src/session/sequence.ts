/** Runs tasks one after the other, in the order they come; without any under way, at once. */
export class Sequence {
  #last: Promise<void> | undefined = undefined;

  /** The task must not reject. */
  run(task: () => Promise<void>): void {
    const mine = this.#last === undefined ? task() : this.#last.then(task);
    this.#last = mine;
    void mine.then(() => {
      if (this.#last === mine) this.#last = undefined;
    });
  }
}
