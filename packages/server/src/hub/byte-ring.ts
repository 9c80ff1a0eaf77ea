/**
 * Room for records that leave in the order in which they came, in one piece of memory: whatever passes through it, the
 * collector of garbage has nothing to do. The system gives it its pages as they are written for the first time.
 */
export class ByteRing {
  readonly capacity: number;
  #memory: Buffer | undefined;
  /** Where the next record goes, if it fits there. */
  #head = 0;
  /** Where the oldest record begins. */
  #tail = 0;
  #records = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#memory = undefined;
  }

  get memory(): Buffer {
    this.#memory ??= Buffer.allocUnsafeSlow(this.capacity);
    return this.#memory;
  }

  /** The place of a new record; `undefined` as long as there is no room for it in one piece. */
  take(length: number): number | undefined {
    const start = this.#placeFor(length);
    if (start === undefined) return undefined;
    if (this.#records === 0) this.#tail = start;
    this.#records++;
    this.#head = start + length;
    return start;
  }

  /** Frees the oldest record; `next` is where the one after it begins, if there is one. */
  free(next: number | undefined): void {
    this.#records--;
    this.#tail = next ?? this.#head;
  }

  #placeFor(length: number): number | undefined {
    if (this.#records === 0) return length <= this.capacity ? 0 : undefined;
    if (this.#head <= this.#tail) return length <= this.#tail - this.#head ? this.#head : undefined;
    if (length <= this.capacity - this.#head) return this.#head;
    return length <= this.#tail ? 0 : undefined;
  }
}
