import { performance } from 'node:perf_hooks';
import { constants, deflateRawSync } from 'node:zlib';
import type { Clock } from '../clock.ts';
import type { Dialect, Frame, Payload } from '../hub/dialect.ts';
import { DIALECT_COUNT, FormatDialect } from './dialects.ts';
import { binaryFrame, deflatedFrame, textFrame } from './frames.ts';

export type CompressionLevel = 'none' | 'fast' | 'default' | 'best';

export interface CompressionOptions {
  readonly level: CompressionLevel;
  /** Payloads with fewer bytes are sent as they are. */
  readonly minBytes: number;
}

/**
 * What compressing may take of all time and, beside it, of the time that the event loop has nothing to do; and how long it may take more
 * at once. Where a flood of text passes through, as from a command that prints as fast as it can, everything else would wait for zlib:
 * then what comes too soon is sent as it is. Some is compressed even where there is no idle time: to write fewer bytes of an event that goes to
 * many takes less than zlib does.
 */
const SHARE_OF_TIME = 0.02;
const SHARE_OF_IDLE = 0.05;
const MAX_AT_ONCE_MS = 20;

/** Of zlib. */
const LEVELS: Readonly<Record<Exclude<CompressionLevel, 'none'>, number>> = { fast: 1, default: 6, best: 9 };

/**
 * Windows that we compress with, as powers of two: a client that wants a smaller one than 15 gets the next smaller of these, so
 * that there are few classes to compress an event for. zlib has no raw deflate with 8.
 */
const WINDOW_CLASSES = [15, 12, 9] as const;
export type WindowBits = (typeof WINDOW_CLASSES)[number];

/** The largest class that a client with this limit can read, where there is one. */
export function windowClassOf(maxWindowBits: number): WindowBits | undefined {
  return WINDOW_CLASSES.find((bits) => bits <= maxWindowBits);
}

/**
 * Text of one message hardly repeats itself over more than 8 KB, and zlib asks for 96 KB each time instead of 256 with the
 * largest window: 40 KB of a command's output take 200 µs instead of 270, and become as short.
 */
const MAX_WINDOW_BITS = 13;

/** Every deflated message ends with it, so that it is not sent (RFC 7692 §7.2.1). */
const TAIL_BYTES = 4;

/** zlib matches nothing that lies closer than this to the end of its window. */
const WINDOW_MARGIN = 262;

/**
 * Compression of what is sent: an event once per dialect and window class, whoever gets it, since no message leans on
 * the one before (`server_no_context_takeover`).
 */
export class Compression {
  readonly enabled: boolean;
  /** Plain counters; each message once, however many sessions got it. What deliveries saved is counted by the hub. */
  readonly counters = { compressedMessages: 0, rawBytes: 0, compressedBytes: 0 };
  readonly #level: number;
  readonly #minBytes: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #idleMs: () => number;
  /** How long may be compressed now, in ms, and since when. */
  #allowedMs = MAX_AT_ONCE_MS;
  #countedAt = 0;
  #idleThen = 0;
  readonly #dialects: Map<FormatDialect, FormatDialect>[] = WINDOW_CLASSES.map(() => new Map());

  /** `idleMs`: how long the event loop has had nothing to do so far. */
  constructor(
    { level, minBytes }: CompressionOptions,
    clock: Pick<Clock, 'monotonic'>,
    idleMs: () => number = () => performance.eventLoopUtilization().idle,
  ) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.enabled = level !== 'none';
    this.#level = level === 'none' ? 0 : LEVELS[level];
    this.#minBytes = minBytes;
  }

  /** The same dialect, compressed. */
  dialect(plain: FormatDialect, windowBits: WindowBits): Dialect {
    const position = WINDOW_CLASSES.indexOf(windowBits);
    const known = this.#dialects[position]?.get(plain);
    if (known !== undefined) return known;
    const dialect = new FormatDialect({
      index: DIALECT_COUNT * (1 + position) + plain.index,
      name: `${plain.name}-deflate-${windowBits}`,
      carriesCursor: plain.carriesCursor,
      format: plain.format,
      frame: (payload) => this.frame(payload, windowBits),
    });
    this.#dialects[position]?.set(plain, dialect);
    return dialect;
  }

  /** A WebSocket frame of the payload, compressed where that makes it shorter and there is time for it. */
  frame(payload: Payload, windowBits: WindowBits): Frame {
    const isText = typeof payload === 'string';
    const length = isText ? Buffer.byteLength(payload) : payload.length;
    if (length >= this.#minBytes) {
      const deflated = this.#deflateInTime(payload, length, windowBits);
      if (deflated !== undefined && deflated.length < length) {
        this.counters.compressedMessages++;
        this.counters.rawBytes += length;
        this.counters.compressedBytes += deflated.length;
        return deflatedFrame(deflated, { isText, savedBytes: length - deflated.length });
      }
    }
    return isText ? textFrame(payload) : binaryFrame(payload);
  }

  /** `undefined` when compressing has taken its share of the time. */
  #deflateInTime(payload: Payload, length: number, windowBits: WindowBits): Buffer | undefined {
    const start = this.#clock.monotonic();
    const idle = this.#idleMs();
    const earned = (start - this.#countedAt) * SHARE_OF_TIME + (idle - this.#idleThen) * SHARE_OF_IDLE;
    this.#allowedMs = Math.min(MAX_AT_ONCE_MS, this.#allowedMs + earned);
    this.#countedAt = start;
    this.#idleThen = idle;
    if (this.#allowedMs <= 0) return undefined;
    const deflated = this.#deflate(payload, length, windowBits);
    this.#allowedMs -= this.#clock.monotonic() - start;
    return deflated;
  }

  /** Synchronous: some 30 µs for 2 KB, less than handing it to another thread and back. */
  #deflate(payload: Payload, length: number, maxWindowBits: number): Buffer {
    const windowBits = windowBitsFor(length, maxWindowBits);
    const deflated = deflateRawSync(payload, {
      level: this.#level,
      windowBits,
      // The tables go with the window: for a short payload large ones cost more to make than they save.
      memLevel: Math.min(8, windowBits - 6),
      // Most text becomes a quarter or less; what does not is put together from several chunks.
      chunkSize: Math.max(1024, length >> 2),
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    return deflated.subarray(0, deflated.length - TAIL_BYTES);
  }
}

/** The smallest window that reaches over the whole payload. */
function windowBitsFor(length: number, maxWindowBits: number): number {
  const needed = 32 - Math.clz32(length + WINDOW_MARGIN - 1);
  return Math.min(Math.max(needed, 9), maxWindowBits, MAX_WINDOW_BITS);
}
