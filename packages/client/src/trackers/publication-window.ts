import type { MillraceError, PublishResult } from '@millrace/protocol';
import type { Platform, Timer } from '../platform.ts';

/** So many are left to the client's queue at a time; the rest of it is the application's. */
const MAX_UNANSWERED = 200;
/** After which it is looked whether the queue has room again. */
const RETRY_MS = 250;

interface Entry {
  readonly publish: () => Promise<PublishResult>;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Publishes in order and loses nothing because there is much of it: what the client's queue has no room for waits here, a
 * thousand findings at once as well as those of an hour without a server.
 */
export class PublicationWindow {
  readonly #platform: Platform;
  #waiting: Entry[] = [];
  /** Tried in vain. */
  readonly #full: Entry[] = [];
  #unanswered = 0;
  #retry: Timer | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  add(publish: () => Promise<PublishResult>): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publish, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#retry === undefined && this.#unanswered < MAX_UNANSWERED) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      this.#publish(entry);
    }
  }

  #publish(entry: Entry): void {
    this.#unanswered += 1;
    entry.publish().then(
      (result) => {
        this.#unanswered -= 1;
        entry.resolve(result);
        this.#pump();
      },
      (error: MillraceError) => {
        this.#unanswered -= 1;
        if (error.code === 'overloaded') this.#waitWith(entry);
        else entry.reject(error);
        this.#pump();
      },
    );
  }

  /** Those that found it full together come back one after the other, in their order, before those that were not tried. */
  #waitWith(entry: Entry): void {
    this.#full.push(entry);
    this.#retry ??= this.#platform.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#waiting = [...this.#full.splice(0), ...this.#waiting];
      this.#pump();
    });
  }
}
