import type { Buffer } from 'node:buffer';
import type { Readable, Writable } from 'node:stream';
import { OutputChunker, type StreamName } from './output-chunker.ts';
import type { Recording } from './recording.ts';

/** Output waits so long before it is published: a line at a time would be an event a line. */
const FLUSH_MS = 20;
/** It waits no longer once there is so much. With 16 KB a command of 5 MB/s was slowed twice as much (`npm run soak:run`). */
const FLUSH_BYTES = 48 * 1024;

/** Of `output` inside the message, unless said otherwise: leaves room for the envelope below the server's default limit of 64,000 bytes. */
const MAX_OUTPUT_JSON_BYTES = 60_000;

/**
 * Takes what a child writes on both streams: passes it on unchanged, and records it. Reads no faster than both can follow.
 */
export class ChildOutput {
  readonly #recording: Recording;
  readonly #chunker: OutputChunker;
  readonly #sources: Readable[] = [];
  /** Why each source is not read now; it is read when nothing is left. */
  readonly #holds = new Map<Readable, Set<'record' | 'pass'>>();
  #timer: NodeJS.Timeout | undefined;
  #firstAt = '';

  constructor(recording: Recording, maxJsonBytes: number = MAX_OUTPUT_JSON_BYTES) {
    this.#recording = recording;
    this.#chunker = new OutputChunker(Math.min(maxJsonBytes, MAX_OUTPUT_JSON_BYTES));
  }

  /** Passes what comes on to `target`, if any. Resolves when the source has ended. */
  attach(name: StreamName, source: Readable, target?: Writable): Promise<void> {
    this.#sources.push(source);
    this.#holds.set(source, new Set());
    source.on('data', (bytes: Buffer) => {
      if (target !== undefined) this.#passOn(source, bytes, target);
      this.#take(name, bytes);
    });
    // As without us: who writes to a pipe that nobody reads is told so.
    target?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      source.destroy();
    });
    return new Promise((resolve) => source.once('close', resolve));
  }

  #passOn(source: Readable, bytes: Buffer, target: Writable): void {
    if (!target.writable || target.write(bytes)) return;
    this.#hold(source, 'pass');
    target.once('drain', () => this.#release(source, 'pass'));
  }

  /** Records what is left: both streams have ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#record(this.#chunker.end());
  }

  #take(name: StreamName, bytes: Buffer): void {
    if (this.#chunker.bytes === 0) this.#firstAt = new Date().toISOString();
    this.#chunker.push(name, bytes);
    if (this.#chunker.bytes >= FLUSH_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#record(this.#chunker.take());
    if (!this.#recording.full) return;
    for (const source of this.#sources) this.#hold(source, 'record');
    void this.#recording.room().then(() => {
      for (const source of this.#sources) this.#release(source, 'record');
    });
  }

  #record(chunks: ReturnType<OutputChunker['take']>): void {
    for (const { stream, ...piece } of chunks) {
      this.#recording.record('tool.output', {
        ...piece,
        is_stderr: stream === 'stderr',
        producedAt: this.#firstAt,
      });
    }
  }

  #hold(source: Readable, reason: 'record' | 'pass'): void {
    this.#holds.get(source)?.add(reason);
    source.pause();
  }

  #release(source: Readable, reason: 'record' | 'pass'): void {
    const holds = this.#holds.get(source);
    holds?.delete(reason);
    if (holds?.size === 0) source.resume();
  }
}
