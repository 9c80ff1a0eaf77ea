/** A slot of a {@link TimeRing}: when it began, in ms since the Unix epoch, and its numbers by field. */
export interface TimeSlot<Field extends string> {
  readonly atMs: number;
  readonly values: Readonly<Record<Field, number>>;
}

export interface TimeRingOptions<Field extends string> {
  readonly slotMs: number;
  /** How many slots back it remembers. */
  readonly slots: number;
  readonly fields: readonly Field[];
}

/** As it is stored: for each slot in which something happened its number and its values. */
export type TimeRingState = readonly (readonly number[])[];

/** Numbers by slots of wall-clock time, for so many slots back. Slots in which nothing happened cost nothing. */
export class TimeRing<Field extends string> {
  readonly slotMs: number;
  readonly #slots: number;
  readonly #fields: readonly Field[];
  /** By number of the slot since the epoch. */
  readonly #values = new Map<number, number[]>();
  #newest = Number.NEGATIVE_INFINITY;
  #current: number[] = [];

  constructor({ slotMs, slots, fields }: TimeRingOptions<Field>, state: TimeRingState = []) {
    this.slotMs = slotMs;
    this.#slots = slots;
    this.#fields = fields;
    for (const [slot = 0, ...values] of state)
      this.#values.set(
        slot,
        fields.map((_, i) => values[i] ?? 0),
      );
    if (this.#values.size > 0) this.#newest = Math.max(...this.#values.keys());
    this.#current = this.#values.get(this.#newest) ?? [];
  }

  get state(): TimeRingState {
    return [...this.#values].map(([slot, values]) => [slot, ...values]);
  }

  add(field: Field, atMs: number, count = 1): void {
    const values = this.#at(atMs);
    const index = this.#fields.indexOf(field);
    values[index] = (values[index] as number) + count;
  }

  /** Keeps the greatest value of a slot. */
  raise(field: Field, atMs: number, value: number): void {
    const values = this.#at(atMs);
    const index = this.#fields.indexOf(field);
    if (value > (values[index] as number)) values[index] = value;
  }

  /** The slots within `backMs` that are over by `nowMs`, oldest first, those without anything too; none before the first that it knows. */
  past(nowMs: number, backMs: number = this.#slots * this.slotMs): TimeSlot<Field>[] {
    const now = this.#slotOf(nowMs);
    const known = [...this.#values.keys()].filter((slot) => slot > now - this.#slots);
    const first = Math.max(now - Math.floor(backMs / this.slotMs), Math.min(...known, now));
    return Array.from({ length: Math.max(0, now - first) }, (_, i) => this.#read(first + i));
  }

  /** The sum of what happened from `backMs` before `nowMs` on, to a slot, the running one included. */
  sum(field: Field, nowMs: number, backMs: number): number {
    const index = this.#fields.indexOf(field);
    const from = this.#slotOf(nowMs - backMs);
    let sum = 0;
    for (const [slot, values] of this.#values) if (slot > from) sum += values[index] as number;
    return sum;
  }

  #read(slot: number): TimeSlot<Field> {
    const values = this.#values.get(slot) ?? [];
    const named = this.#fields.map((field, i) => [field, values[i] ?? 0] as const);
    // Made of its fields.
    return { atMs: slot * this.slotMs, values: Object.fromEntries(named) as Record<Field, number> };
  }

  #slotOf(atMs: number): number {
    return Math.floor(atMs / this.slotMs);
  }

  /** A clock that was set back goes on in the newest slot. */
  #at(atMs: number): number[] {
    const slot = this.#slotOf(atMs);
    if (slot <= this.#newest) return this.#current;
    this.#newest = slot;
    this.#current = this.#fields.map(() => 0);
    this.#values.set(slot, this.#current);
    for (const old of this.#values.keys()) if (old <= slot - this.#slots) this.#values.delete(old);
    return this.#current;
  }
}
