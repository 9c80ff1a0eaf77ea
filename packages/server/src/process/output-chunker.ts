import { Buffer } from 'node:buffer';
import { type OutputPiece, splitOutput, unfinishedBytes } from './output-splitter.ts';

export type StreamName = 'stdout' | 'stderr';

export interface OutputChunk extends OutputPiece {
  readonly stream: StreamName;
}

interface Run {
  readonly stream: StreamName;
  readonly parts: Uint8Array[];
}

/**
 * Collects what a process writes and gives it out in few pieces: in the order it came across both streams, neighbours of one
 * stream joined. The unfinished character at the end of a stream waits for its rest.
 */
export class OutputChunker {
  readonly #maxJsonBytes: number;
  readonly #unfinished: Record<StreamName, Uint8Array> = {
    stdout: new Uint8Array(),
    stderr: new Uint8Array(),
  };
  #runs: Run[] = [];
  #bytes = 0;

  /** `maxJsonBytes` bounds each chunk's `output` as the contents of a JSON string. */
  constructor(maxJsonBytes: number) {
    this.#maxJsonBytes = maxJsonBytes;
  }

  /** Bytes that the next {@link take} gives out. */
  get bytes(): number {
    return this.#bytes;
  }

  push(stream: StreamName, bytes: Uint8Array): void {
    const last = this.#runs.at(-1);
    if (last?.stream === stream) last.parts.push(bytes);
    else this.#runs.push({ stream, parts: [bytes] });
    this.#bytes += bytes.length;
  }

  /** Everything pushed so far, but for unfinished characters. */
  take(): OutputChunk[] {
    const runs = this.#runs;
    this.#runs = [];
    this.#bytes = 0;
    return runs.flatMap(({ stream, parts }) => {
      const bytes = Buffer.concat([this.#unfinished[stream], ...parts]);
      const whole = bytes.length - unfinishedBytes(bytes);
      this.#unfinished[stream] = bytes.subarray(whole);
      return this.#split(stream, bytes.subarray(0, whole));
    });
  }

  /** Everything that is left: no more will be pushed. */
  end(): OutputChunk[] {
    const chunks = this.take();
    for (const stream of ['stdout', 'stderr'] as const) {
      chunks.push(...this.#split(stream, this.#unfinished[stream]));
      this.#unfinished[stream] = new Uint8Array();
    }
    return chunks;
  }

  #split(stream: StreamName, bytes: Uint8Array): OutputChunk[] {
    return splitOutput(bytes, this.#maxJsonBytes).map((piece) => ({ stream, ...piece }));
  }
}
