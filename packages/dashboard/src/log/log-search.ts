import { plainText } from './ansi.ts';
import type { LogLine } from './log-buffer.ts';

/** Which lines contain a text, kept up to date while lines are added: only lines that are new, or may change, are read again. */
export class LogSearch {
  readonly #query: string;
  #matches: number[] = [];
  /** Lines before this one have been read for good. */
  #settled = 0;
  #dropped = 0;

  constructor(query: string) {
    this.#query = query.toLowerCase();
  }

  /** The indexes of the lines that contain the query. `settledBefore` is the first line that may still change. */
  update(lines: readonly LogLine[], settledBefore: number, dropped: number): readonly number[] {
    if (this.#query === '') return [];
    if (dropped !== this.#dropped) this.#reset(dropped);
    const settled = this.#settled;
    const matches = this.#matches.filter((index) => index < settled);
    for (let i = settled; i < lines.length; i++) {
      const line = lines[i];
      if (line !== undefined && plainText(line.text).toLowerCase().includes(this.#query)) matches.push(i);
    }
    this.#settled = settledBefore;
    this.#matches = matches;
    return matches;
  }

  #reset(dropped: number): void {
    this.#dropped = dropped;
    this.#settled = 0;
    this.#matches = [];
  }
}
