const LEAST_ROOM = 4;

/**
 * A first-in first-out list with constant-time access by index. Its room is a power of two and is used round and round: as long as about
 * as much leaves as comes, nothing is allocated.
 */
export class Deque<T> {
  #room: (T | undefined)[] = [];
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The item at `index` from the oldest; the index must be within bounds. */
  at(index: number): T {
    return this.#room[this.#place(index)] as T;
  }

  push(item: T): void {
    if (this.#length === this.#room.length) this.#resize(Math.max(LEAST_ROOM, 2 * this.#length));
    this.#room[this.#place(this.#length++)] = item;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#room[this.#start];
    this.#room[this.#start] = undefined;
    this.#start = this.#place(1);
    this.#length--;
    // At a quarter, not at half, so that one more and one less does not move everything each time.
    if (this.#room.length > LEAST_ROOM && this.#length <= this.#room.length / 4)
      this.#resize(this.#room.length / 2);
    return item;
  }

  clear(): void {
    this.#room = [];
    this.#start = 0;
    this.#length = 0;
  }

  /** Index of the first item for which `reached` holds, which must hold for all after it; `length` when none. */
  findFirst(reached: (item: T) => boolean): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (reached(this.at(middle))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #place(index: number): number {
    return (this.#start + index) & (this.#room.length - 1);
  }

  #resize(room: number): void {
    const moved = new Array<T | undefined>(room);
    for (let i = 0; i < this.#length; i++) moved[i] = this.at(i);
    this.#room = moved;
    this.#start = 0;
  }
}
