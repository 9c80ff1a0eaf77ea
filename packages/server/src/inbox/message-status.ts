import { MillraceError } from '@millrace/protocol';
import type { Engine, ReadFrom, StoredEvent } from '../engine/engine.ts';
import { type ConsumerKey, deadLetterTopicOf, inboxKey } from './consumer-key.ts';
import type { DeadReason, DeliveryRules } from './delivery-rules.ts';
import { NOT_BEGUN, type Progress, runAt } from './progress.ts';

/** What became of a message so far. */
export interface MessageStatus {
  readonly message_id: string;
  /**
   * `pending`: not sent yet. `delivered`: sent and not acknowledged. `expired`, `failed`: given up for age, or after the last delivery.
   */
  readonly status: 'pending' | 'delivered' | 'acknowledged' | 'expired' | 'failed';
  /** How often it was sent. */
  readonly attempts: number;
  /** ISO 8601. */
  readonly expires_at: string;
  readonly offset: number;
  readonly event: string;
  /** ISO 8601. */
  readonly timestamp: string;
}

export interface InboxPage {
  readonly messages: readonly MessageStatus[];
  /** Everything up to this offset is done with. */
  readonly acked: number;
  /** Offset of the newest message. */
  readonly head: number;
  /** There are more: ask again for those after this offset. */
  readonly next?: number;
}

/** What a dead letter says of the message that it was. */
interface Letter {
  readonly message_id: string;
  readonly offset: number;
  readonly event: string;
  readonly reason: DeadReason;
  readonly attempts: number;
  readonly timestamp: string;
}

const PAGE = { maxEvents: 512, maxBytes: 4 * 1024 * 1024 } as const;

/** Reads what became of the messages of inboxes. It says nothing of their content. */
export class MessageStatusReader {
  readonly #engine: Engine;
  readonly #rules: DeliveryRules;

  constructor(engine: Engine, rules: DeliveryRules) {
    this.#engine = engine;
    this.#rules = rules;
  }

  /** Messages that are kept, after an offset; `undefined` where there is no such inbox. */
  async list(
    entity: string,
    inbox: string,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<InboxPage | undefined> {
    const key = inboxKey(entity, inbox);
    const head = await this.#engine.head(entity, inbox);
    if (head === undefined) return undefined;
    const { epoch, offset } = head.position;
    const from = { epoch, offset: Math.min(Math.max(after, head.firstOffset - 1), offset) };
    const page = await this.#engine.read(entity, inbox, { after: from }, { maxEvents: limit });
    const events = page.ok ? page.events : [];
    const progress = await this.#progress(key);
    const letters = await this.#lettersOf(key, events, progress);
    const last = events.at(-1);
    return {
      messages: events.map((event) => this.#statusOf(event, progress, letters.get(event.id))),
      acked: progress.acked,
      head: offset,
      ...(page.ok && page.behind > 0 && last !== undefined && { next: last.offset }),
    };
  }

  /** One message; also one that was given up and is kept as a dead letter only. Rejects with `not-found`. */
  async find(entity: string, inbox: string, messageId: string): Promise<MessageStatus> {
    const key = inboxKey(entity, inbox);
    const event = await this.#findEvent(entity, inbox, { earliest: true }, ({ id }) => id === messageId);
    if (event !== undefined) {
      const progress = await this.#progress(key);
      const letters = await this.#lettersOf(key, [event], progress);
      return this.#statusOf(event, progress, letters.get(messageId));
    }
    const found = await this.#findEvent(
      entity,
      deadLetterTopicOf(inbox),
      { earliest: true },
      (letter) => letter.key === messageId,
    );
    if (found === undefined) {
      throw new MillraceError('not-found', `there is no message ${JSON.stringify(messageId)} in this inbox`);
    }
    return this.#statusOfLetter(readLetter(found));
  }

  async #progress({ entity, topic, name }: ConsumerKey): Promise<Progress> {
    return (await this.#engine.consumer(entity, topic, name)) ?? NOT_BEGUN;
  }

  #statusOf(event: StoredEvent, progress: Progress, letter: Letter | undefined): MessageStatus {
    const { id, offset, timestamp } = event;
    const attempts = runAt(progress, offset)?.attempt ?? 0;
    return {
      message_id: id,
      status: letter?.reason ?? liveStatus(offset, progress),
      attempts: letter?.attempts ?? attempts,
      expires_at: isoTime(timestamp + this.#rules.ttlMs),
      offset,
      event: event.event,
      timestamp: isoTime(timestamp),
    };
  }

  #statusOfLetter({ message_id, reason, attempts, offset, event, timestamp }: Letter): MessageStatus {
    const expires_at = isoTime(Date.parse(timestamp) + this.#rules.ttlMs);
    return { message_id, status: reason, attempts, expires_at, offset, event, timestamp };
  }

  /** The dead letters of those messages that the consumer has moved past, by message. */
  async #lettersOf(
    { entity, topic }: ConsumerKey,
    events: readonly StoredEvent[],
    { acked }: Progress,
  ): Promise<ReadonlyMap<string, Letter>> {
    const past = new Set(events.filter(({ offset }) => offset <= acked).map(({ id }) => id));
    const letters = new Map<string, Letter>();
    const [first] = events;
    if (first === undefined || past.size === 0) return letters;
    // A letter is younger than its message.
    await this.#findEvent(entity, deadLetterTopicOf(topic), { time: first.timestamp }, (event) => {
      if (event.key !== undefined && past.has(event.key)) letters.set(event.key, readLetter(event));
      return letters.size === past.size;
    });
    return letters;
  }

  async #findEvent(
    entity: string,
    topic: string,
    start: ReadFrom,
    matches: (event: StoredEvent) => boolean,
  ): Promise<StoredEvent | undefined> {
    for (let from = start; ; ) {
      const page = await this.#engine.read(entity, topic, from, PAGE);
      if (!page.ok) return undefined;
      for (const event of page.events) if (matches(event)) return event;
      if (page.behind === 0) return undefined;
      from = { after: page.position };
    }
  }
}

function liveStatus(offset: number, { acked, sent }: Progress): MessageStatus['status'] {
  if (offset <= acked) return 'acknowledged';
  return offset <= sent ? 'delivered' : 'pending';
}

/** It was written by {@link buryDead}. */
function readLetter({ data }: StoredEvent): Letter {
  return JSON.parse(data) as Letter;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
