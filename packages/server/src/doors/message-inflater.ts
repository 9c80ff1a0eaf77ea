import { constants, inflateRawSync } from 'node:zlib';
import { STANDARD_CLOSE } from '@millrace/protocol';

/** Every deflated message ended with it before it was sent (RFC 7692 §7.2.2). */
const TAIL = Buffer.of(0x00, 0x00, 0xff, 0xff);

type Inflated = (error: Error | null, data?: Buffer) => void;

/**
 * Inflates what one client sends, in the place of the extension of `ws`, which keeps a zlib stream for each connection that has
 * ever sent a compressed message: tens of kilobytes for every browser. Since no message leans on the one before
 * (`client_no_context_takeover`), a message is inflated in one go, and nothing is kept.
 */
export class MessageInflater {
  readonly #maxBytes: number;
  /** Of a message that came in fragments, so far; `ws` bounds their number and bytes. */
  #fragments: Buffer[] | undefined;
  #closed = false;
  /** The number to close the connection with, once a message could not be inflated. */
  closeCode: number | undefined = undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#fragments = undefined;
  }

  /** Bytes of fragments whose message has not ended. */
  get waitingBytes(): number {
    return this.#fragments?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  }

  /**
   * Called by `ws` with the payload of each frame of a compressed message. It must not be answered within the call; and a turn
   * of the event loop between two messages keeps a client whose few bytes become many from holding up the others.
   */
  decompress(data: Buffer, isLast: boolean, done: Inflated): void {
    setImmediate(() => {
      if (!this.#closed) this.#take(data, isLast, done);
    });
  }

  /** Called by `ws` when the connection is over. */
  cleanup(): void {
    this.#closed = true;
    this.#fragments = undefined;
  }

  #take(data: Buffer, isLast: boolean, done: Inflated): void {
    if (!isLast) {
      this.#fragments ??= [];
      // A copy: it is a piece of what TCP delivered, which would be kept as a whole.
      this.#fragments.push(Buffer.from(data));
      done(null, Buffer.alloc(0));
      return;
    }
    const fragments = this.#fragments ?? [];
    this.#fragments = undefined;
    let inflated: Buffer;
    try {
      inflated = this.#inflate([...fragments, data, TAIL]);
    } catch (error) {
      const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      this.closeCode = tooLarge ? STANDARD_CLOSE.tooBig : STANDARD_CLOSE.invalidData;
      done(error as Error);
      return;
    }
    done(null, inflated);
  }

  #inflate(parts: readonly Buffer[]): Buffer {
    return inflateRawSync(Buffer.concat(parts), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: this.#maxBytes,
    });
  }
}
