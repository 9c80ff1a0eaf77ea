/** Reads the text messages out of what a server writes to a WebSocket: whole, unmasked frames, in pieces of any size. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  readonly #onText: (text: string) => void;

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  push(piece: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? piece : Buffer.concat([this.#bytes, piece]);
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      this.#bytes = this.#bytes.subarray(frame.end);
      this.#onText(frame.text);
    }
  }

  #next(): { text: string; end: number } | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    if (bytes[0] !== 0x81) throw new Error(`not one whole text frame: it begins with ${bytes[0]}`);
    let length = bytes[1] as number;
    let start = 2;
    if (length === 126) {
      if (bytes.length < 4) return undefined;
      length = bytes.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return undefined;
      length = Number(bytes.readBigUInt64BE(2));
      start = 10;
    }
    const end = start + length;
    return bytes.length < end ? undefined : { text: bytes.toString('utf8', start, end), end };
  }
}
