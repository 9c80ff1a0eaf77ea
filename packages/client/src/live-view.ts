import type { View } from '@millrace/catalog/views';
import { formatPosition, MillraceError, type MillraceEvent, parsePosition } from '@millrace/protocol';
import { Emitter } from './emitter.ts';
import type { AnyCatalog, Snapshot, Subscription } from './types.ts';
import type { LiveView, LiveViewEvents } from './view-types.ts';
import { DONE, type Waiter } from './waiter.ts';

/** Folds what a subscription reads, from a snapshot on. */
export class FoldedView<State> implements LiveView<State> {
  readonly topic: string;
  readonly #view: View<State>;
  readonly #subscription: Subscription<AnyCatalog>;
  readonly #emitter: Emitter<LiveViewEvents<State>>;
  readonly #waiters: Waiter<State>[] = [];
  #state: State | undefined;
  #position: string | undefined;
  #telling: Promise<void> | undefined;
  /** Not yet taken by the loop. */
  #fresh = false;
  #sealed = false;
  #error: MillraceError | undefined;

  constructor(view: View<State>, subscription: Subscription<AnyCatalog>, onThrow: (error: unknown) => void) {
    this.topic = subscription.topic;
    this.#view = view;
    this.#subscription = subscription;
    this.#emitter = new Emitter(onThrow);
    subscription.on('snapshot', (snapshot) => this.#begin(snapshot));
    subscription.on('event', (event) => this.#fold(event));
    subscription.on('error', (error) => this.#fail(error));
    subscription.on('sealed', () => {
      this.#sealed = true;
    });
    subscription.on('closed', () => this.#end());
  }

  get state(): State | undefined {
    return this.#state;
  }

  get position(): string | undefined {
    return this.#position;
  }

  get sealed(): boolean {
    return this.#sealed;
  }

  get closed(): boolean {
    return this.#subscription.closed;
  }

  on<Name extends keyof LiveViewEvents<State>>(
    name: Name,
    listener: (value: LiveViewEvents<State>[Name]) => void,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  close(): void {
    this.#subscription.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<State, undefined> {
    this.#fresh = this.#position !== undefined;
    return {
      next: () =>
        new Promise((resolve, reject) => {
          this.#waiters.push({ resolve, reject });
          this.#serve();
        }),
      return: () => {
        this.close();
        return Promise.resolve(DONE);
      },
    };
  }

  #begin({ view, position, state }: Snapshot): void {
    if (view !== this.#view.name) {
      const problem = `the server keeps ${this.topic} as "${view}", not as "${this.#view.name}"; give it the same families`;
      this.#fail(new MillraceError('not-supported', problem));
      // The server's view of the same name gives states of the same type.
    } else this.#changed(position, state as State);
  }

  #fold(event: MillraceEvent): void {
    const begun = this.#position === undefined ? undefined : parsePosition(this.#position);
    if (begun === undefined) return;
    // The topic was deleted and written anew ([VIEW-7]).
    const state = begun.epoch === event.epoch ? this.#state : undefined;
    try {
      this.#changed(formatPosition(event), this.#view.fold(state ?? this.#view.initial(), event));
    } catch (cause) {
      const problem = `the view "${this.#view.name}" failed at offset ${event.offset} of ${this.topic}: ${cause}`;
      this.#fail(new MillraceError('internal', problem, { cause, retryable: false }));
    }
  }

  #changed(position: string, state: State): void {
    this.#position = position;
    this.#state = state;
    this.#fresh = true;
    this.#telling ??= Promise.resolve().then(() => this.#tell());
  }

  #tell(): void {
    if (this.#telling === undefined) return;
    this.#telling = undefined;
    // Set with the position, which is there.
    this.#emitter.emit('change', this.#state as State);
    this.#serve();
  }

  #fail(error: MillraceError): void {
    this.#error ??= error;
    this.#tell();
    this.#emitter.emit('error', error);
    this.close();
  }

  #end(): void {
    this.#tell();
    if (this.#sealed) this.#emitter.emit('sealed', { topic: this.topic });
    this.#emitter.emit('closed', { topic: this.topic });
    this.#serve();
  }

  #serve(): void {
    if (this.#waiters.length > 0 && this.#fresh) {
      this.#fresh = false;
      this.#waiters.shift()?.resolve({ done: false, value: this.#state as State });
    }
    if (!this.closed) return;
    for (const { resolve, reject } of this.#waiters.splice(0)) {
      if (this.#error === undefined) resolve(DONE);
      else reject(this.#error);
    }
  }
}
