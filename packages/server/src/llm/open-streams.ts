import { SYSTEM_ENTITY } from '../auth/identity.ts';
import type { Engine } from '../engine/engine.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';

/** A namespace of its own, which no configuration makes forgetful. */
export const OPEN_STREAMS_TOPIC = 'llm-streams';

/** Where an answer is written. */
export interface OpenStream {
  readonly entity: string;
  readonly topic: string;
  readonly stream_id: string;
}

/** As it is stored. `v` lets a newer server say more. */
type StreamRecord = OpenStream & { readonly v: 1 };

const PAGE = { maxEvents: 1000 } as const;
/** Answers that ended since the records of ended ones were last removed. */
const TRIM_EVERY = 500;

export interface OpenStreamsOptions {
  readonly engine: Engine;
  readonly publisher: Publisher;
  readonly onError: (error: unknown, doing: string) => void;
}

/**
 * Which answers this server is giving, as events of the log: an answer is recorded before it begins, and again when its end is stored,
 * so that the next process finds those that a killed one left open. An embedded log has one server at a time: whatever is open when
 * it starts belongs to nobody any more.
 */
export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  /** Offset of the record by stream. */
  readonly #open = new Map<string, number>();
  #newest = 0;
  #closedSinceTrim = 0;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  /** Those that were left open, oldest first. Call it before the first is opened. */
  async left(): Promise<readonly OpenStream[]> {
    const { engine } = this.#options;
    const open = new Map<string, OpenStream>();
    let page = await engine.read(SYSTEM_ENTITY, OPEN_STREAMS_TOPIC, { earliest: true }, PAGE);
    for (;;) {
      if (!page.ok) throw new Error(`${OPEN_STREAMS_TOPIC} cannot be read: ${page.reason}`);
      for (const { event, data } of page.events) {
        const record = JSON.parse(data) as StreamRecord;
        if (event === 'opened') open.set(record.stream_id, record);
        else open.delete(record.stream_id);
      }
      this.#newest = page.position.offset;
      if (page.behind === 0) return [...open.values()];
      page = await engine.read(SYSTEM_ENTITY, OPEN_STREAMS_TOPIC, { after: page.position }, PAGE);
    }
  }

  /** Resolves when it is recorded. Rejects with a `MillraceError` as a publication does. */
  async opened(stream: OpenStream): Promise<void> {
    const offset = await this.#append('opened', stream);
    this.#open.set(stream.stream_id, offset);
  }

  /** The end is stored. A record that cannot be written is no loss: the next start finds the end and leaves it. */
  async closed(stream: OpenStream): Promise<void> {
    this.#open.delete(stream.stream_id);
    try {
      this.#newest = await this.#append('closed', stream);
      await this.#trim();
    } catch (error) {
      this.#options.onError(error, 'recording that an answer has ended');
    }
  }

  /** Nothing before it is of interest any more. */
  async forgetAll(): Promise<void> {
    if (this.#newest > 0) await this.#options.engine.trim(SYSTEM_ENTITY, OPEN_STREAMS_TOPIC, this.#newest);
  }

  async #trim(): Promise<void> {
    if (++this.#closedSinceTrim < TRIM_EVERY) return;
    this.#closedSinceTrim = 0;
    const oldestOpen = Math.min(this.#newest + 1, ...this.#open.values());
    await this.#options.engine.trim(SYSTEM_ENTITY, OPEN_STREAMS_TOPIC, oldestOpen - 1);
  }

  async #append(event: 'opened' | 'closed', { entity, topic, stream_id }: OpenStream): Promise<number> {
    const record: StreamRecord = { v: 1, entity, topic, stream_id };
    const input: EncodedInput = {
      topic: OPEN_STREAMS_TOPIC,
      event,
      data: JSON.stringify(record),
      idempotencyKey: `${event}/${stream_id}`,
    };
    const { offset } = await this.#options.publisher.publishOneInternally(SYSTEM_ENTITY, input);
    return offset;
  }
}
