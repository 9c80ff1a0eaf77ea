import { INBOX_NAMESPACE } from '@millrace/protocol';
import type { Clock, Timer } from '../clock.ts';
import type { Engine, TopicHead } from '../engine/engine.ts';
import { type ConsumerKey, inboxKey, isInbox } from './consumer-key.ts';
import { ConsumerRecord } from './consumer-record.ts';
import { buryDead } from './dead-letters.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import { stretchesOf } from './progress.ts';

export interface InboxSweeperOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly rules: DeliveryRules;
  /** Tells this node from others, which may sweep in its place. */
  readonly nodeId: string;
  /** Whether a keeper of this node sees to the consumer, and so to what is over. */
  readonly isKept: (key: ConsumerKey) => boolean;
  readonly onError: (error: unknown, doing: string) => void;
}

/** How often inboxes are looked through at most, in ms; a shorter time to live is looked after more often. */
const MAX_INTERVAL_MS = 30_000;
const MIN_INTERVAL_MS = 1000;

/** Who sweeps: an entity that no token can name. */
const SYSTEM_ENTITY = '$system';
const LEASE = 'inbox-sweeper';
const TOPICS_PAGE = 500;
const EVENTS_PAGE = { maxEvents: 512, maxBytes: 1024 * 1024 } as const;

/** When an inbox is to be looked at next, ms since the Unix epoch; in which life of its log. */
interface Due {
  readonly epoch: string;
  readonly at: number;
}

/**
 * Ends messages whose time is over also where their user is not connected, and removes those that are both done with
 * and older than the time to live, until which their status can be asked for. One node does it for all.
 *
 * It remembers when the oldest message of each inbox will be that old, so that a look through all of them reads only those
 * that are due.
 */
export class InboxSweeper {
  readonly #options: InboxSweeperOptions;
  readonly #intervalMs: number;
  readonly #due: Map<string, Due> = new Map();
  #timer: Timer | undefined;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(options: InboxSweeperOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, options.rules.ttlMs / 60));
    this.#timer = options.clock.after(this.#intervalMs, this.#tick);
  }

  /** The inbox is looked at with the next sweep: nobody keeps it any more. */
  expect(key: ConsumerKey): void {
    this.#due.delete(idOf(key.entity, key.topic));
  }

  /** Resolves when it does nothing any more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sweeping;
    const { engine, nodeId } = this.#options;
    await engine.releaseLease(SYSTEM_ENTITY, LEASE, nodeId).catch(() => false);
  }

  readonly #tick = (): void => {
    this.#sweeping = this.#sweepIfChosen()
      .catch((error: unknown) => {
        if (!this.#closed) this.#options.onError(error, 'looking through inboxes');
      })
      .then(() => {
        if (!this.#closed) this.#timer = this.#options.clock.after(this.#intervalMs, this.#tick);
      });
  };

  async #sweepIfChosen(): Promise<void> {
    const { engine, nodeId } = this.#options;
    const ttlMs = 3 * this.#intervalMs;
    const lease = await engine.acquireLease(SYSTEM_ENTITY, LEASE, nodeId, ttlMs, { exclusive: true });
    if (!lease.acquired) {
      this.#due.clear();
      return;
    }
    const seen = new Set<string>();
    for (const entity of await engine.entities()) await this.#sweepEntity(entity, seen);
    for (const id of this.#due.keys()) if (!seen.has(id)) this.#due.delete(id);
  }

  async #sweepEntity(entity: string, seen: Set<string>): Promise<void> {
    const { engine, clock } = this.#options;
    for (let after = ''; !this.#closed; ) {
      const heads = await engine.topics(entity, `${INBOX_NAMESPACE}.*`, { after, limit: TOPICS_PAGE });
      for (const head of heads) {
        if (this.#closed) return;
        if (!isInbox(head.topic) || head.firstOffset > head.position.offset) continue;
        const id = idOf(entity, head.topic);
        const { epoch } = head.position;
        const known = this.#due.get(id);
        seen.add(id);
        if (known?.epoch === epoch && known.at > clock.now()) continue;
        this.#due.set(id, { epoch, at: await this.#sweepInbox(entity, head) });
      }
      const last = heads.at(-1);
      if (last === undefined || heads.length < TOPICS_PAGE) return;
      after = last.topic;
    }
  }

  /** Answers when to look again. */
  async #sweepInbox(entity: string, head: TopicHead): Promise<number> {
    const { engine, clock, rules, isKept } = this.#options;
    const key = inboxKey(entity, head.topic);
    const record = new ConsumerRecord(engine, key);
    await record.load();
    if (!isKept(key)) await buryDead(engine, record, rules, () => clock.now());
    const oldestKept = await this.#trim(record, head);
    const [first] = stretchesOf(record.progress);
    const exhaustedAt =
      first !== undefined && rules.isExhausted(first, Number.POSITIVE_INFINITY)
        ? first.nextAt
        : Number.POSITIVE_INFINITY;
    // One that is over and still there is kept by somebody who is about to see to it.
    return Math.max(Math.min(oldestKept + rules.ttlMs, exhaustedAt), clock.now() + this.#intervalMs);
  }

  /** Removes what is done with and too old; answers with the timestamp of the oldest event left. */
  async #trim(record: ConsumerRecord, { topic, position }: TopicHead): Promise<number> {
    const { engine, clock, rules } = this.#options;
    const { entity } = record.key;
    const { acked } = record.progress;
    const oldest = clock.now() - rules.ttlMs;
    let upTo = 0;
    let survivor: number | undefined;
    for (let from = { earliest: true } as Parameters<Engine['read']>[2]; ; ) {
      const page = await engine.read(entity, topic, from, EVENTS_PAGE);
      if (!page.ok) break;
      const kept = page.events.find(({ offset, timestamp }) => offset > acked || timestamp > oldest);
      upTo = (kept === undefined ? page.events.at(-1)?.offset : kept.offset - 1) ?? upTo;
      survivor = kept?.timestamp;
      if (kept !== undefined || page.behind === 0 || page.position.epoch !== position.epoch) break;
      from = { after: page.position };
    }
    if (upTo > 0) await engine.trim(entity, topic, upTo);
    return survivor ?? Number.POSITIVE_INFINITY;
  }
}

function idOf(entity: string, topic: string): string {
  return `${entity}\n${topic}`;
}
