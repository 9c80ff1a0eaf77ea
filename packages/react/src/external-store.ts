/** What React reads through `useSyncExternalStore`: its source is open while somebody looks. */
export class ExternalStore<Snapshot> {
  readonly #empty: Snapshot;
  readonly #open: (change: (next: (snapshot: Snapshot) => Snapshot) => void) => () => void;
  readonly #listeners = new Set<() => void>();
  #snapshot: Snapshot;
  #close: (() => void) | undefined;

  /** `open` begins with what is empty, changes the snapshot from then on, and returns its own undo. */
  constructor(
    empty: Snapshot,
    open: (change: (next: (snapshot: Snapshot) => Snapshot) => void) => () => void,
  ) {
    this.#empty = empty;
    this.#snapshot = empty;
    this.#open = open;
  }

  readonly snapshot = (): Snapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#close === undefined) {
      this.#snapshot = this.#empty;
      this.#close = this.#open((next) => this.#change(next(this.#snapshot)));
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#close?.();
      this.#close = undefined;
    };
  };

  #change(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}
