import { formatPosition, matchesPattern, type ServerMessage } from '@millrace/protocol';
import type { ModelEvent } from './log-model.ts';
import { QUEUE_BOUNDS } from './simulated-server.ts';

export type Slow = 'catchup' | 'drop-oldest' | 'conflate' | 'disconnect';

export function isDropping(slow: Slow | undefined): boolean {
  return slow === 'drop-oldest' || slow === 'conflate';
}

type DroppedMessage = ServerMessage & { readonly type: 'dropped' };

/**
 * Whether a client that did not read for a while got in the end what its policy promises: each event that was due once
 * and in order, or word of its loss; and under a policy that drops, that what came and what was dropped is what was due,
 * and the newest came where it was `alone`, the session's only subscription under such a policy.
 */
export function judgeSlow(
  { name, slow, alone, due }: { name: string; slow: Slow; alone: boolean; due: readonly ModelEvent[] },
  heard: readonly ServerMessage[],
): string[] {
  const problems: string[] = [];
  const dropped: DroppedMessage[] = [];
  const came = new Set<ModelEvent>();
  const newest = new Map<string, number>();
  for (const message of heard) {
    if (message.type === 'dropped' && matchesPattern(name, message.topic)) dropped.push(message);
    if (message.type !== 'event' || !matchesPattern(name, message.topic)) continue;
    const { topic } = message;
    const place = formatPosition(message);
    const index = due.findIndex((event) => event.topic === topic && formatPosition(event) === place);
    const event = due[index];
    if (event === undefined) problems.push(`${topic} ${place} came unasked`);
    else if (index <= (newest.get(topic) ?? -1)) problems.push(`${topic} ${place} came twice or too late`);
    else came.add(event);
    newest.set(topic, Math.max(index, newest.get(topic) ?? -1));
  }
  const missing = due.filter((event) => !came.has(event));
  for (const event of missing) {
    if (dropped.some((message) => tellsOf(message, event))) continue;
    problems.push(`${event.topic} ${formatPosition(event)} was left out, and nobody said so`);
  }
  if (isDropping(slow)) {
    problems.push(...judgeCount(dropped, missing.length));
    if (alone) problems.push(...judgeChoice(slow, due, came));
  }
  return problems.map((problem) => `${name}, ${slow}: ${problem}`);
}

function tellsOf({ topic, from, to }: DroppedMessage, event: ModelEvent): boolean {
  if (from === undefined || to === undefined) return true;
  return topic === event.topic && from <= event.offset && event.offset <= to;
}

function judgeCount(dropped: readonly DroppedMessage[], missing: number): string[] {
  let told = 0;
  for (const { count } of dropped) {
    // Of a whole log that broke nobody can say how much it was.
    if (count === undefined) return [];
    told += count;
  }
  return told === missing ? [] : [`${told} are told to be dropped, and ${missing} did not come`];
}

/** What waits is the newest, or the newest of each key. */
function judgeChoice(slow: Slow, due: readonly ModelEvent[], came: ReadonlySet<ModelEvent>): string[] {
  const waiting =
    slow === 'drop-oldest'
      ? due
      : due.filter((event, at) => !due.some((other, i) => i > at && isSame(event, other)));
  const wrong = waiting.slice(-QUEUE_BOUNDS.maxEvents).find((event) => !came.has(event));
  return wrong === undefined
    ? []
    : [`${wrong.topic} ${formatPosition(wrong)} was dropped, and should have waited`];
}

/** Whether the second is a new state of what the first is a state of. */
function isSame(one: ModelEvent, other: ModelEvent): boolean {
  if (one.topic !== other.topic || one.key !== other.key) return false;
  return one.key !== undefined || one.event === other.event;
}
