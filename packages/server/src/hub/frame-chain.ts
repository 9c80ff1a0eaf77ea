import type { StoredEvent } from '../engine/engine.ts';
import { type Chunk, ownChunk } from './chunk.ts';
import { orderByPriority } from './priority-order.ts';

/**
 * What is to be written to a session in the next flush, as the end of a chain of chunks.
 *
 * Sessions that got the same chunks in the same order stand at the same link, so that giving a chunk to a thousand
 * sessions is a thousand pointer writes, and the bytes of a flush are joined once for all of them, whichever topics
 * they came from. (Earned by the scenario "many-topics" of `npm run bench`.)
 */
export class FrameChain {
  readonly parent: FrameChain | undefined;
  readonly chunk: Chunk;
  /** Bytes of the whole chain. */
  readonly length: number;
  /** How many live events the whole chain holds. */
  readonly events: number;
  /** How much longer the whole chain would be without compression. */
  readonly savedBytes: number;
  /** Its events differ in urgency. */
  readonly #mixed: boolean;
  #next: FrameChain | undefined;
  #joined: Buffer | undefined;

  private constructor(parent: FrameChain | undefined, chunk: Chunk) {
    this.parent = parent;
    this.chunk = chunk;
    this.length = parent === undefined ? 0 : parent.length + chunk.bytes.length;
    this.events = parent === undefined ? 0 : parent.events + chunk.events;
    this.savedBytes = parent === undefined ? 0 : parent.savedBytes + (chunk.bytes.savedBytes ?? 0);
    this.#mixed =
      parent !== undefined &&
      (parent.#mixed || (parent.parent !== undefined && parent.chunk.rank !== chunk.rank));
    this.#next = undefined;
    this.#joined = undefined;
  }

  static createEmpty(): FrameChain {
    return new FrameChain(undefined, ownChunk(Buffer.alloc(0)));
  }

  /** This chain and one more chunk; the same link for everyone who asks with the same chunk in turn. */
  withShared(chunk: Chunk): FrameChain {
    const next = this.#next;
    if (next !== undefined && next.chunk === chunk) return next;
    const link = new FrameChain(this, chunk);
    this.#next = link;
    return link;
  }

  /** This chain and one more chunk for this session alone. */
  withOwn(chunk: Chunk): FrameChain {
    return new FrameChain(this, chunk);
  }

  /** All bytes, most urgent first, joined at most once. */
  bytes(): Buffer {
    if (this.parent === undefined) return this.chunk.bytes;
    if (this.parent.parent === undefined) return this.chunk.bytes;
    this.#joined ??= this.#join();
    return this.#joined;
  }

  /** Only the chunks that must be written: what is left when live events are to be read from the log instead. */
  keptBytes(): Buffer {
    return Buffer.concat(this.#chunks().flatMap(({ kept, bytes }) => (kept ? [bytes] : [])));
  }

  /** How many events are in these chunks. */
  keptEvents(): number {
    return this.#chunks().reduce((sum, { kept, events }) => (kept ? sum + events : sum), 0);
  }

  /** Of the chunks that are not kept: the first events of each topic, in the order they came. */
  unkeptStarts(): StoredEvent[] {
    return this.#chunks().flatMap(({ kept, starts }) => (kept ? [] : starts));
  }

  /** Lets go of what the last flush shared. */
  forget(): void {
    this.#next = undefined;
  }

  #join(): Buffer {
    const chunks = this.#chunks();
    const ordered = this.#mixed ? orderByPriority(chunks) : chunks;
    return Buffer.concat(
      ordered.map(({ bytes }) => bytes),
      this.length,
    );
  }

  #chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    for (let link: FrameChain = this; link.parent !== undefined; link = link.parent) chunks.push(link.chunk);
    return chunks.reverse();
  }
}
