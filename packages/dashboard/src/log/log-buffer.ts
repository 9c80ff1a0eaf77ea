import { plainText, styleAfter, withoutTerminalCommands } from './ansi.ts';

export interface LogLine {
  /** Without terminal commands, with its colours (SGR). */
  text: string;
  /** The SGR parameters in force at its start. */
  readonly style: string;
  readonly isStderr: boolean;
}

/** Lines kept in memory; the download has all of them. */
const DEFAULT_MAX_LINES = 200_000;

/** A line longer than this goes on in the next one, so that one row stays cheap to draw. */
const MAX_LINE_LENGTH = 16_384;

/** Where one of the two streams stands. */
interface Stream {
  readonly decoder: TextDecoder;
  /** The line that has not ended yet. */
  open: LogLine | undefined;
  /** A carriage return was the last thing seen: a newline after it ends the line, anything else begins it anew. */
  returned: boolean;
  /** An escape sequence that its chunk cut in two. */
  rest: string;
  style: string;
}

const createStream = (): Stream => ({
  decoder: new TextDecoder(),
  open: undefined,
  returned: false,
  rest: '',
  style: '',
});

/**
 * A process's output as lines. Each stream has its own open line, so that a warning in the middle of a progress bar
 * does not tear it apart; lines stand in the order in which they began. `\r` begins its line anew, as progress bars want.
 */
export class LogBuffer {
  readonly lines: LogLine[] = [];
  readonly #maxLines: number;
  readonly #stdout: Stream = createStream();
  readonly #stderr: Stream = createStream();
  #dropped = 0;

  constructor(options: { maxLines?: number } = {}) {
    this.#maxLines = options.maxLines ?? DEFAULT_MAX_LINES;
  }

  /** How many of the oldest lines are no longer kept. */
  get dropped(): number {
    return this.#dropped;
  }

  append(output: string | Uint8Array, isStderr: boolean): void {
    const stream = isStderr ? this.#stderr : this.#stdout;
    // A text chunk is complete UTF-8, so bytes left over from before it will never be completed.
    const text =
      typeof output === 'string'
        ? stream.decoder.decode() + output
        : stream.decoder.decode(output, { stream: true });
    this.#write(stream, text, isStderr);
    if (this.lines.length > this.#maxLines * 1.1) this.#dropOldest();
  }

  /** The process has ended: what is still open is complete. */
  end(): void {
    for (const [stream, isStderr] of [
      [this.#stdout, false],
      [this.#stderr, true],
    ] as const) {
      this.#write(stream, stream.decoder.decode(), isStderr);
      stream.open = undefined;
      stream.rest = '';
    }
  }

  /** The index of the first line that may still change. */
  get firstOpenIndex(): number {
    let first = this.lines.length;
    for (const { open } of [this.#stdout, this.#stderr]) {
      if (open !== undefined) first = Math.min(first, this.lines.lastIndexOf(open));
    }
    return Math.max(0, first);
  }

  #write(stream: Stream, chunk: string, isStderr: boolean): void {
    if (chunk === '') return;
    const [text, rest] = splitCutEscape(stream.rest + chunk);
    stream.rest = rest;
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code !== 0x0a && code !== 0x0d) continue;
      this.#extend(stream, text.slice(start, i), isStderr);
      if (code === 0x0d) stream.returned = true;
      else this.#endLine(stream, isStderr);
      start = i + 1;
    }
    this.#extend(stream, text.slice(start), isStderr);
  }

  #extend(stream: Stream, raw: string, isStderr: boolean): void {
    const text = withoutTerminalCommands(raw);
    if (text === '') return;
    const line = stream.open ?? this.#openLine(stream, isStderr);
    line.text = stream.returned ? text : line.text + text;
    stream.returned = false;
    if (line.text.length > MAX_LINE_LENGTH) this.#endLine(stream, isStderr);
  }

  #openLine(stream: Stream, isStderr: boolean): LogLine {
    const line = { text: '', style: stream.style, isStderr };
    stream.open = line;
    this.lines.push(line);
    return line;
  }

  #endLine(stream: Stream, isStderr: boolean): void {
    const line = stream.open ?? this.#openLine(stream, isStderr);
    stream.style = styleAfter(line.style, line.text);
    stream.open = undefined;
    stream.returned = false;
  }

  #dropOldest(): void {
    const count = this.lines.length - this.#maxLines;
    this.lines.splice(0, count);
    this.#dropped += count;
  }
}

/** Keeps back an escape sequence at the end of a chunk whose rest may come with the next one. */
function splitCutEscape(text: string): readonly [complete: string, rest: string] {
  const start = text.lastIndexOf('\u001b');
  if (start === -1 || text.length - start > 64) return [text, ''];
  const tail = text.slice(start);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  const isCut = /^\u001b(?:\[[0-?]*[ -/]*|\][^\u0007]*)?$/.test(tail);
  return isCut ? [text.slice(0, start), tail] : [text, ''];
}

/** All lines as they read, one a row. */
export function logText(lines: readonly LogLine[]): string {
  return lines.map((line) => plainText(line.text)).join('\n');
}
