/** Marks that are remembered of the time looked back at. */
const MARKS = 60;

/** By how much something that only grows has grown lately: in the last `spanMs`, or since it was first looked at. */
export class Growth {
  readonly #spanMs: number;
  #marks: { readonly atMs: number; readonly value: number }[] = [];

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  /** Takes what it is now, and says by how much it grew; to a sixtieth of the time. */
  observe(value: number, nowMs: number): number {
    const last = this.#marks.at(-1);
    // It began anew.
    if (last !== undefined && value < last.value) this.#marks = [];
    if (this.#marks.length === 0 || nowMs - (last?.atMs ?? 0) >= this.#spanMs / MARKS) {
      this.#marks.push({ atMs: nowMs, value });
    }
    // The newest mark that is old enough stays: from there on everything counts.
    const from = this.#marks.findLastIndex(({ atMs }) => nowMs - atMs >= this.#spanMs);
    if (from > 0) this.#marks.splice(0, from);
    return value - (this.#marks[0]?.value ?? value);
  }
}
