import type { FrameScheduler } from './frame-scheduler.ts';

/** Collects items and hands them over together, once a frame and in order. */
export class FrameBatcher<Item> {
  readonly #scheduler: FrameScheduler;
  readonly #deliver: (items: readonly Item[]) => void;
  #items: Item[] = [];
  #cancel: (() => void) | undefined;

  constructor(scheduler: FrameScheduler, deliver: (items: readonly Item[]) => void) {
    this.#scheduler = scheduler;
    this.#deliver = deliver;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#cancel ??= this.#scheduler.schedule(() => this.flush());
  }

  /** Hands over what there is now. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#deliver(items);
  }

  /** Forgets what was not handed over. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#items = [];
  }
}
