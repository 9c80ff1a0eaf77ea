import type { AppendRequest, LogHold, Retention, StoredEvent } from './engine.ts';
import type { Plan } from './ledger.ts';
import type { TopicSpan } from './sqlite-pages.ts';
import { flagsOf } from './sqlite-rows.ts';
import type { Parameter, Writes } from './sqlite-statements.ts';
import type { TopicState } from './topic-state.ts';

/** What the SQLite engine keeps beside the ledger's facts of a topic. */
export interface TopicFile {
  /** `total` of the newest event planned; see the schema. */
  plannedTotal: number;
  /** `total` of the newest event trimmed. */
  trimmedTotal: number;
  /** Timestamp of the oldest event kept; 0 when it is not known. */
  firstTimestamp: number;
  /** Asked once in the topic's life, when retention first looks at it. */
  retention: Retention | undefined;
  /** Asked with it. */
  hold: LogHold | undefined;
}

export type DurableTopic = TopicState<TopicFile>;

/** Its seq of birth: never given out twice, and known without asking the file. */
export function topicId(topic: DurableTopic): number {
  return topic.birthSeq;
}

/** What a reader may see of the topic now. */
export function spanOf(topic: DurableTopic): TopicSpan {
  return { topic: topicId(topic), first: topic.firstOffset, last: topic.offset };
}

/** The rows of a plan. Straight-line on purpose: this is main-thread time of every event. */
export function encodePlan(plan: Plan<TopicFile>): Writes {
  const { events, topics, requests } = plan;
  const writes: Writes = {};
  if (events.length === 0) return writes;
  const rows = new Array<Parameter>(events.length * 11);
  let at = 0;
  for (let i = 0; i < events.length; i++) {
    const event = events[i] as StoredEvent;
    const topic = topics[i] as DurableTopic;
    const request = requests[i] as AppendRequest;
    topic.own ??= bear(event, topic, writes);
    const { own } = topic;
    own.plannedTotal += event.data.length;
    const id = topic.birthSeq;
    rows[at++] = event.seq;
    rows[at++] = id;
    rows[at++] = event.offset;
    rows[at++] = event.timestamp;
    rows[at++] = own.plannedTotal;
    rows[at++] = flagsOf(event.priority, event.sealed);
    rows[at++] = event.id;
    rows[at++] = event.event;
    rows[at++] = event.data;
    rows[at++] = event.source ?? null;
    rows[at++] = event.key ?? null;
    const { idempotencyKey, fence } = request;
    if (idempotencyKey !== undefined) {
      writes.key ??= [];
      writes.key.push(event.seq, id, event.offset, event.timestamp, event.id, idempotencyKey);
    }
    if (fence !== undefined) {
      writes.fence ??= [];
      writes.fence.push(id, fence.name, fence.token);
    }
    if (event.sealed) {
      writes.seal ??= [];
      writes.seal.push(id);
    }
  }
  writes.event = rows;
  return writes;
}

function bear(event: StoredEvent, topic: DurableTopic, writes: Writes): TopicFile {
  writes.birth ??= [];
  writes.birth.push(topic.birthSeq, event.entity, event.topic);
  return {
    plannedTotal: 0,
    trimmedTotal: 0,
    firstTimestamp: event.timestamp,
    retention: undefined,
    hold: undefined,
  };
}

/** After a rollback: what the topics of a plan hold is what was committed. */
export function resetPlanned(plan: Plan<TopicFile>): void {
  for (const topic of plan.topics) {
    if (topic.own !== undefined) topic.own.plannedTotal = topic.own.trimmedTotal + topic.bytes;
  }
}

/** Adds the rows of `more` to `writes`. */
export function mergeWrites(writes: Writes, more: Writes): void {
  for (const [kind, values] of Object.entries(more) as [keyof Writes, Parameter[]][]) {
    const existing = writes[kind];
    if (existing === undefined) writes[kind] = values;
    else for (const value of values) existing.push(value);
  }
}
