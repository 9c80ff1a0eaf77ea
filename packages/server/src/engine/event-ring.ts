import type { StoredEvent } from './engine.ts';

const FIRST_CAPACITY = 8;

/** A queue of events with access by index: adding, dropping the oldest and looking one up cost the same at any size. */
export class EventRing {
  /** Its length is a power of two, so that an index wraps with a mask. */
  #slots: (StoredEvent | undefined)[] = new Array<StoredEvent | undefined>(FIRST_CAPACITY).fill(undefined);
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The event at an index from 0, the oldest, to `length - 1`. */
  at(index: number): StoredEvent {
    return this.#slots[(this.#start + index) & (this.#slots.length - 1)] as StoredEvent;
  }

  push(event: StoredEvent): void {
    if (this.#length === this.#slots.length) this.#resize(this.#length * 2);
    this.#slots[(this.#start + this.#length) & (this.#slots.length - 1)] = event;
    this.#length++;
  }

  /** Drops the oldest event. */
  shift(): void {
    this.#slots[this.#start] = undefined;
    this.#start = (this.#start + 1) & (this.#slots.length - 1);
    this.#length--;
  }

  /** Gives memory back after many events were dropped. */
  shrink(): void {
    let capacity = this.#slots.length;
    while (capacity > FIRST_CAPACITY && capacity > this.#length * 4) capacity /= 2;
    if (capacity < this.#slots.length) this.#resize(capacity);
  }

  #resize(capacity: number): void {
    const slots = new Array<StoredEvent | undefined>(capacity).fill(undefined);
    for (let i = 0; i < this.#length; i++) slots[i] = this.at(i);
    this.#slots = slots;
    this.#start = 0;
  }
}
