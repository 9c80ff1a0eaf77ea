/** One block of an event stream. A block without data still carries its `id` and `retry`. */
export interface SseBlock {
  readonly event: string;
  readonly data: string | undefined;
  readonly id: string | undefined;
  /** Milliseconds. */
  readonly retry: number | undefined;
}

interface Fields {
  event: string;
  data: string | undefined;
  id: string | undefined;
  retry: number | undefined;
}

/**
 * Parses `text/event-stream` as it comes, cut anywhere, also within a character or a CRLF: WHATWG HTML §9.2.6, except
 * that blocks without data are reported too, since Millrace moves a quiet client on by their `id`.
 */
export class SseParser {
  // Replaces what is not UTF-8. The byte order mark is taken off here: decoders differ when it is cut in two.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #begun = false;
  readonly #onBlock: (block: SseBlock) => void;
  #line = '';
  #skipLineFeed = false;
  #fields: Fields = emptyFields();

  constructor(onBlock: (block: SseBlock) => void) {
    this.#onBlock = onBlock;
  }

  push(bytes: Uint8Array): void {
    const decoded = this.#decoder.decode(bytes, { stream: true });
    const text = !this.#begun && decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded;
    this.#begun ||= decoded.length > 0;
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code !== 0x0a && code !== 0x0d) continue;
      if (code === 0x0a && this.#skipLineFeed && i === 0) {
        start = 1;
        continue;
      }
      this.#endLine(this.#line + text.slice(start, i));
      this.#line = '';
      if (code === 0x0d && text.charCodeAt(i + 1) === 0x0a) i += 1;
      start = i + 1;
    }
    // An unfinished line; the next chunk may begin with the second half of a CRLF.
    this.#line += text.slice(start);
    if (text.length > 0) this.#skipLineFeed = text.endsWith('\r');
  }

  #endLine(line: string): void {
    const colon = line.indexOf(':');
    if (line === '') this.#endBlock();
    // A colon at the start makes a comment.
    if (line === '' || colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    const rest = colon === -1 ? '' : line.slice(colon + 1);
    this.#set(name, rest.startsWith(' ') ? rest.slice(1) : rest);
  }

  #set(name: string, value: string): void {
    const fields = this.#fields;
    if (name === 'event') fields.event = value;
    else if (name === 'data') fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`;
    else if (name === 'id' && !value.includes('\0')) fields.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) fields.retry = Number(value);
  }

  #endBlock(): void {
    const { event, data, id, retry } = this.#fields;
    this.#fields = emptyFields();
    if (data === undefined && id === undefined && retry === undefined) return;
    this.#onBlock({ event: event === '' ? 'message' : event, data, id, retry });
  }
}

function emptyFields(): Fields {
  return { event: '', data: undefined, id: undefined, retry: undefined };
}
