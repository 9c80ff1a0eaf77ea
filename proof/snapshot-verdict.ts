import { matchesPattern, type SnapshotMessage } from '@millrace/protocol';
import type { LogModel, ModelEvent } from './log-model.ts';

/** One entry of the view `latest`, which all topics of a proof have. */
interface Newest {
  readonly key: string;
  readonly offset: number;
}

/**
 * What is wrong with the snapshots that a subscription began with. Each must be of the topic's head, and have the newest event
 * of each key: of all that is kept, and of what retention has taken only what was the newest of its key to the end.
 */
export function judgeSnapshots(
  name: string,
  snapshots: readonly SnapshotMessage[],
  model: LogModel,
  topics: readonly string[],
): string[] {
  const problems = snapshots.flatMap((snapshot) => judge(snapshot, model));
  const told = snapshots.map(({ topic }) => topic);
  for (const topic of topics) {
    const isDue = topic === name || (matchesPattern(name, topic) && model.offset(topic) > 0);
    const count = told.filter((each) => each === topic).length;
    if (count !== (isDue ? 1 : 0)) problems.push(`${name} began with ${count} snapshots of ${topic}`);
  }
  return problems;
}

function judge({ topic, position, state }: SnapshotMessage, model: LogModel): string[] {
  const head = model.head(topic);
  // Of a topic that does not exist every place at which it did not is as good as the next.
  const isUnborn = model.offset(topic) === 0 && position.endsWith(':0');
  if (position !== head && !isUnborn)
    return [`the snapshot of ${topic} is of ${position}, and the head is ${head}`];
  const newest = newestByKey(model.life(topic));
  const known = new Map(
    (state as { events: readonly Newest[] }).events.map((each) => [each.key, each.offset]),
  );
  const wrong = [...known].filter(([key, offset]) => newest.get(key)?.offset !== offset);
  const missing = [...newest].filter(([key, { trimmed }]) => !trimmed && !known.has(key));
  return [
    ...wrong.map(
      ([key, offset]) => `the snapshot of ${topic} at ${position} has ${offset} as the newest of ${key}`,
    ),
    ...missing.map(([key]) => `the snapshot of ${topic} at ${position} has nothing of ${key}`),
  ];
}

function newestByKey(events: readonly ModelEvent[]): Map<string, ModelEvent> {
  return new Map(events.map((event) => [event.key ?? event.event, event]));
}
