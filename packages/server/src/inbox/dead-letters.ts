import { createHash } from 'node:crypto';
import { MillraceError } from '@millrace/protocol';
import type { AppendRequest, Engine, StoredEvent } from '../engine/engine.ts';
import {
  type ConsumerKey,
  deadLetterTopicOf,
  findConsumerProblem,
  isDeadLetterTopic,
} from './consumer-key.ts';
import type { ConsumerRecord } from './consumer-record.ts';
import type { DeadReason, DeliveryRules } from './delivery-rules.ts';
import { noteDone, type Progress, runAt } from './progress.ts';

export const DEAD_LETTER_EVENT = 'message.dead_lettered';

const PAGE = { maxEvents: 256, maxBytes: 1024 * 1024 } as const;

/** An event that is given up. */
interface Dead {
  readonly event: StoredEvent;
  readonly reason: DeadReason;
  readonly attempts: number;
}

/**
 * Moves a consumer past the events at its front that are over, each of which becomes a dead letter first. When this
 * is cut short between the two, the next time repeats the letters, which their idempotency keys make one.
 *
 * Resolves with the timestamp of the oldest event that still lives, where there is one.
 */
export function buryDead(
  engine: Engine,
  record: ConsumerRecord,
  rules: DeliveryRules,
  now: () => number,
): Promise<number | undefined> {
  const { entity, topic } = record.key;
  // No acknowledgement of this node comes between finding a dead event and moving past it.
  return record.exclusively(async (update) => {
    for (;;) {
      const head = await engine.head(entity, topic);
      if (head === undefined) return undefined;
      const { epoch } = head.position;
      const progress = await update((known) => noteDone(known, head.firstOffset - 1));
      const page = await engine.read(entity, topic, { after: { epoch, offset: progress.acked } }, PAGE);
      if (!page.ok) {
        // An acknowledgement of the topic's former life was counted here: nothing is there that it does not cover.
        if (page.head.epoch === epoch && page.head.offset < progress.acked) return undefined;
        // Retention came between, or the topic was deleted.
        continue;
      }
      const dead = deadAtFront(page.events, progress, rules, now());
      const last = dead.at(-1)?.event;
      if (last === undefined) return page.events[0]?.timestamp;
      await appendLetters(engine, record.key, dead);
      await update((known) => noteDone(known, last.offset));
      const survivor = page.events[dead.length];
      if (survivor !== undefined) return survivor.timestamp;
      if (page.behind === 0) return undefined;
    }
  });
}

function deadAtFront(
  events: readonly StoredEvent[],
  progress: Progress,
  rules: DeliveryRules,
  now: number,
): Dead[] {
  const dead: Dead[] = [];
  for (const event of events) {
    const reason = rules.reasonToBury(event, progress, now);
    if (reason === undefined) break;
    dead.push({ event, reason, attempts: runAt(progress, event.offset)?.attempt ?? 0 });
  }
  return dead;
}

async function appendLetters(engine: Engine, key: ConsumerKey, dead: readonly Dead[]): Promise<void> {
  if (isDeadLetterTopic(key.topic) || findConsumerProblem(key.topic) !== undefined) return;
  const results = await engine.append(dead.map((each) => letter(key, each)));
  for (const result of results) {
    if (result.status === 'stored') continue;
    const message = 'message' in result ? result.message : `the topic answered ${result.code}`;
    throw new MillraceError('unavailable', `a dead letter of "${key.topic}" was not stored: ${message}`);
  }
}

function letter(key: ConsumerKey, { event, reason, attempts }: Dead): AppendRequest {
  const fields = JSON.stringify({
    message_id: event.id,
    topic: event.topic,
    offset: event.offset,
    event: event.event,
    reason,
    attempts,
    timestamp: new Date(event.timestamp).toISOString(),
  });
  return {
    entity: key.entity,
    topic: deadLetterTopicOf(key.topic),
    event: DEAD_LETTER_EVENT,
    data: `${fields.slice(0, -1)},"data":${event.data}}`,
    source: key.name,
    key: event.id,
    idempotencyKey: createHash('sha256')
      .update(JSON.stringify([key.topic, key.name, event.epoch, event.offset]))
      .digest('base64url'),
  };
}
