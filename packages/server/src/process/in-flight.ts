/** What was sent and is not yet answered, bounded by number and bytes; remembers the first failure. */
export class InFlight {
  readonly #maxItems: number;
  readonly #maxBytes: number;
  #items = 0;
  #bytes = 0;
  #waiting: { readonly until: () => boolean; readonly resolve: () => void }[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(maxItems: number, maxBytes: number = Number.POSITIVE_INFINITY) {
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  get items(): number {
    return this.#items;
  }

  get full(): boolean {
    return this.#items >= this.#maxItems || this.#bytes >= this.#maxBytes;
  }

  /** The first failure, or `undefined`. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  add(answer: Promise<unknown>, bytes: number = 0): void {
    this.#items++;
    this.#bytes += bytes;
    answer
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#items--;
        this.#bytes -= bytes;
        this.#wake();
      });
  }

  /** Resolves when half of the bounds is free. */
  room(): Promise<void> {
    return this.#wait(() => this.#items <= this.#maxItems / 2 && this.#bytes <= this.#maxBytes / 2);
  }

  /** Resolves when everything is answered. */
  settled(): Promise<void> {
    return this.#wait(() => this.#items === 0);
  }

  #wait(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ until, resolve });
    return promise;
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter(({ until, resolve }) => {
      if (!until()) return true;
      resolve();
      return false;
    });
  }
}
