/** Tokens that wait to become events, whose texts are bounded. Joined, the texts are exactly the tokens. */
export class TokenBuffer {
  readonly #maxTextLength: number;
  #tokens: string[] = [];
  #length = 0;

  /** `maxTextLength`: of one event, in UTF-16 code units. A longer token counts as several. */
  constructor(maxTextLength: number) {
    this.#maxTextLength = maxTextLength;
  }

  /** Of the texts that wait. */
  get length(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  push(token: string): void {
    for (const piece of piecesOf(token, this.#maxTextLength)) this.#tokens.push(piece);
    this.#length += token.length;
  }

  /** The next event's text, as long as it may be, and how many tokens that is. */
  take(): { readonly text: string; readonly tokens: number } {
    let text = '';
    let tokens = 0;
    while (tokens < this.#tokens.length) {
      const token = this.#tokens[tokens] as string;
      if (tokens > 0 && text.length + token.length > this.#maxTextLength) break;
      text += token;
      tokens++;
    }
    this.#tokens = this.#tokens.slice(tokens);
    this.#length -= text.length;
    return { text, tokens };
  }

  clear(): void {
    this.#tokens = [];
    this.#length = 0;
  }
}

/** A token in pieces of bounded length that cut no character. */
function* piecesOf(token: string, maxLength: number): Generator<string> {
  for (let at = 0; at < token.length; ) {
    let end = Math.min(token.length, at + maxLength);
    const last = token.charCodeAt(end - 1);
    if (end < token.length && last >= 0xd800 && last < 0xdc00 && end - at > 1) end--;
    yield token.slice(at, end);
    at = end;
  }
}
