/** What holding a message costs beside its bytes, roughly. */
const MESSAGE_OVERHEAD = 256;

/** What a client sends before it is known: few bytes, the waiting of which costs somebody else memory. */
export class EarlyMessages {
  readonly #maxBytes: number;
  #bytes = 0;
  #waiting: (readonly [Buffer, boolean])[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts a message; false when it was one too many. */
  admit(data: Buffer): boolean {
    this.#bytes += data.length + MESSAGE_OVERHEAD;
    return this.#bytes <= this.#maxBytes;
  }

  keep(data: Buffer, isBinary: boolean): void {
    this.#waiting.push([data, isBinary]);
  }

  /** What was kept, in order; nothing the next time. */
  take(): readonly (readonly [Buffer, boolean])[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
