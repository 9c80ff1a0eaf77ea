/** Reads the data of server-sent events (WHATWG HTML §9.2.6) from text that comes in any pieces. Other fields say nothing here. */
export class SseData {
  #rest = '';
  #data: string | undefined;

  /** The data of the events that are complete with this piece. */
  take(piece: string): string[] {
    const complete: string[] = [];
    const text = this.#rest + piece;
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const line = text.charCodeAt(end - 1) === 0x0d ? text.slice(from, end - 1) : text.slice(from, end);
      this.#takeLine(line, complete);
      from = end + 1;
    }
    this.#rest = text.slice(from);
    return complete;
  }

  #takeLine(line: string, complete: string[]): void {
    if (line.startsWith('data:')) {
      const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    } else if (line === '' && this.#data !== undefined) {
      complete.push(this.#data);
      this.#data = undefined;
    }
  }
}
