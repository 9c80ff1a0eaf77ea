import { matchesPattern, parsePosition } from '@millrace/protocol';
import type { TopicInfo } from '../app/api.ts';
import type { Activity } from './topic-activity.ts';

export interface TopicRow {
  readonly topic: string;
  readonly events: number;
  /** Missing for a topic that was born after the list was read. */
  readonly bytes: number | undefined;
  readonly durability: string | undefined;
  readonly sealed: boolean;
  /** Of the newest event, ISO 8601. */
  readonly timestamp: string | undefined;
  readonly perSecond: number;
  /** Where its log begins and ends. */
  readonly epoch: string | undefined;
  readonly firstOffset: number;
}

export type TopicSort = 'recent' | 'name' | 'events' | 'size';

/** The list as read, brought up to date with what has been seen live since. */
export function topicRows(
  topics: readonly TopicInfo[],
  activity: ReadonlyMap<string, Activity>,
): readonly TopicRow[] {
  const listed = new Set(topics.map(({ topic }) => topic));
  const born = [...activity].filter(([topic]) => !listed.has(topic)).map(([, seen]) => rowOfActivity(seen));
  return [...topics.map((info) => rowOfInfo(info, activity.get(info.topic))), ...born];
}

function rowOfInfo(info: TopicInfo, seen: Activity | undefined): TopicRow {
  const position = parsePosition(info.position);
  const isSameLog = seen !== undefined && seen.newest.epoch === position?.epoch;
  const added = isSameLog ? Math.max(0, seen.newest.offset - position.offset) : 0;
  return {
    topic: info.topic,
    events: info.events + added,
    bytes: info.bytes,
    durability: info.durability,
    sealed: info.sealed || seen?.newest.sealed === true,
    timestamp: seen?.newest.timestamp ?? info.timestamp,
    perSecond: seen?.perSecond ?? 0,
    epoch: position?.epoch,
    firstOffset: info.firstOffset,
  };
}

function rowOfActivity({ newest, seen, perSecond }: Activity): TopicRow {
  return {
    topic: newest.topic,
    events: seen,
    bytes: undefined,
    durability: undefined,
    sealed: newest.sealed === true,
    timestamp: newest.timestamp,
    perSecond,
    epoch: newest.epoch,
    firstOffset: 1,
  };
}

/** Those whose name contains the text, or matches it when it is a pattern. */
export function searchTopics(rows: readonly TopicRow[], query: string): readonly TopicRow[] {
  const text = query.trim().toLowerCase();
  if (text === '') return rows;
  if (text.includes('*')) return rows.filter(({ topic }) => matchesPattern(query.trim(), topic));
  return rows.filter(({ topic }) => topic.toLowerCase().includes(text));
}

export function sortTopics(rows: readonly TopicRow[], sort: TopicSort): readonly TopicRow[] {
  const byName = (a: TopicRow, b: TopicRow): number =>
    a.topic.localeCompare(b.topic, 'en', { numeric: true });
  const compare: Readonly<Record<TopicSort, (a: TopicRow, b: TopicRow) => number>> = {
    name: byName,
    recent: (a, b) => (b.timestamp ?? '').localeCompare(a.timestamp ?? '') || byName(a, b),
    events: (a, b) => b.events - a.events || byName(a, b),
    size: (a, b) => (b.bytes ?? 0) - (a.bytes ?? 0) || byName(a, b),
  };
  return rows.toSorted(compare[sort]);
}
