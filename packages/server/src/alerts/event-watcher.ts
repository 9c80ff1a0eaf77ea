import { type FilterSubject, isHiddenFrom, matchesPattern } from '@millrace/protocol';
import type { Engine, Following, StoredEvent } from '../engine/engine.ts';
import { EventSubject } from '../hub/event-subject.ts';
import type { AlertRule, EventWatch } from './alert-rule.ts';

/** Longest name of a group, in UTF-16 code units. */
const MAX_GROUP_LENGTH = 255;

export interface HeardValue {
  readonly group: string | undefined;
  readonly value: number;
  /** Missing of what is not heard from events. */
  readonly topic: string | undefined;
}

/** What an event tells a rule; `undefined` when it is nothing. Values that are not finite numbers tell nothing. */
function hear(watch: EventWatch, subject: FilterSubject): HeardValue | undefined {
  const { topic, event } = subject;
  if (watch.event !== undefined && !matchesPattern(watch.event, event)) return undefined;
  const value = watch.read.from(subject);
  if (typeof value !== 'number') return undefined;
  if (watch.group === undefined) return { group: undefined, value, topic };
  const group = groupName(watch.group.from(subject));
  return group === undefined ? undefined : { group, value, topic };
}

function groupName(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' && value.length <= MAX_GROUP_LENGTH ? value : undefined;
}

/** Has rules hear the events of one entity as they are stored. Rules of the same pattern share one following. */
export async function watchEvents(
  engine: Engine,
  entity: string,
  rules: readonly AlertRule[],
  onValue: (rule: AlertRule, heard: HeardValue) => void,
): Promise<Following[]> {
  const byPattern = Map.groupBy(rules, ({ watch }) => (watch.kind === 'event' ? watch.pattern : undefined));
  const followings: Following[] = [];
  for (const [pattern, sharing] of byPattern) {
    if (pattern === undefined) continue;
    const onEvent = (event: StoredEvent): void => {
      if (isHiddenFrom(pattern, event.topic)) return;
      const subject = new EventSubject(event);
      for (const rule of sharing) {
        const heard = rule.watch.kind === 'event' ? hear(rule.watch, subject) : undefined;
        if (heard !== undefined) onValue(rule, heard);
      }
    };
    followings.push(
      await engine.follow(entity, pattern, {
        onEvents: (events) => events.forEach(onEvent),
        // What is lost was not heard; the next value tells how it is now.
        onGap: () => {},
      }),
    );
  }
  return followings;
}
