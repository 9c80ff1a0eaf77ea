/**
 * What is to be written to a session in the next flush, as the end of a chain of chunks.
 *
 * Sessions that got the same chunks in the same order stand at the same link, so that giving a chunk to a thousand
 * sessions is a thousand pointer writes, and the bytes of a flush are joined once for all of them, whichever topics
 * they came from. (Earned by the scenario "many-topics" of `npm run bench`.)
 */
export class FrameChain {
  readonly parent: FrameChain | undefined;
  readonly chunk: Buffer;
  /** Bytes of the whole chain. */
  readonly length: number;
  /** How many events the whole chain holds that can be read again from the log. */
  readonly events: number;
  readonly #kept: boolean;
  #next: FrameChain | undefined;
  #joined: Buffer | undefined;

  private constructor(parent: FrameChain | undefined, chunk: Buffer, events: number, kept: boolean) {
    this.parent = parent;
    this.chunk = chunk;
    this.length = parent === undefined ? 0 : parent.length + chunk.length;
    this.events = parent === undefined ? 0 : parent.events + events;
    this.#kept = kept;
    this.#next = undefined;
    this.#joined = undefined;
  }

  static createEmpty(): FrameChain {
    return new FrameChain(undefined, Buffer.alloc(0), 0, true);
  }

  /** This chain and one more chunk of live events; the same link for everyone who asks with the same chunk in turn. */
  withEvents(chunk: Buffer, events: number): FrameChain {
    const next = this.#next;
    if (next !== undefined && next.chunk === chunk) return next;
    const link = new FrameChain(this, chunk, events, false);
    this.#next = link;
    return link;
  }

  /** This chain and one more chunk for this session alone, which must be written whatever happens. */
  withKept(chunk: Buffer): FrameChain {
    return new FrameChain(this, chunk, 0, true);
  }

  /** All bytes, joined at most once. */
  bytes(): Buffer {
    if (this.parent === undefined) return this.chunk;
    if (this.parent.parent === undefined) return this.chunk;
    this.#joined ??= Buffer.concat(this.#chunks(false), this.length);
    return this.#joined;
  }

  /** Only the chunks that must be written: what is left when live events are to be read from the log instead. */
  keptBytes(): Buffer {
    return Buffer.concat(this.#chunks(true));
  }

  /** Lets go of what the last flush shared. */
  forget(): void {
    this.#next = undefined;
  }

  #chunks(keptOnly: boolean): Buffer[] {
    const chunks: Buffer[] = [];
    for (let link: FrameChain = this; link.parent !== undefined; link = link.parent) {
      if (!keptOnly || link.#kept) chunks.push(link.chunk);
    }
    return chunks.reverse();
  }
}
