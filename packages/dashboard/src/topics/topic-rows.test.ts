import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import type { TopicInfo } from '../app/api.ts';
import { type Activity, TopicActivity } from './topic-activity.ts';
import { searchTopics, sortTopics, topicRows } from './topic-rows.ts';

const info = (topic: string, more: Partial<TopicInfo> = {}): TopicInfo => ({
  topic,
  position: 'e:10',
  firstOffset: 1,
  events: 10,
  bytes: 100,
  sealed: false,
  timestamp: '2026-11-20T12:00:00.000Z',
  durability: 'durable',
  ...more,
});

const event = (topic: string, offset: number, more: Partial<MillraceEvent> = {}): MillraceEvent => ({
  topic,
  event: 'x',
  id: `${topic}-${offset}`,
  offset,
  epoch: 'e',
  timestamp: '2026-11-20T12:00:05.000Z',
  data: null,
  ...more,
});

function activityOf(...events: readonly MillraceEvent[]): ReadonlyMap<string, Activity> {
  const activity = new TopicActivity(0);
  for (const each of events) activity.record(each, 1000);
  return activity.snapshot(1000);
}

const names = (rows: readonly { topic: string }[]): string[] => rows.map(({ topic }) => topic);

test('a listed topic is brought up to date with what was seen since', () => {
  const [row] = topicRows([info('a')], activityOf(event('a', 11), event('a', 12, { sealed: true })));
  expect(row).toMatchObject({
    events: 12,
    sealed: true,
    timestamp: '2026-11-20T12:00:05.000Z',
    perSecond: 2,
  });
});

test('events that the list has counted already are not counted again', () => {
  expect(topicRows([info('a')], activityOf(event('a', 9)))[0]?.events).toBe(10);
});

test('a topic that was born since is there', () => {
  const rows = topicRows([info('a')], activityOf(event('b', 1)));
  expect(names(rows)).toEqual(['a', 'b']);
  expect(rows[1]).toMatchObject({ events: 1, bytes: undefined, epoch: 'e', firstOffset: 1 });
});

test('a search is a part of the name, or a pattern', () => {
  const rows = topicRows([info('task.a'), info('task.b.c'), info('chat.task')], new Map());
  expect(names(searchTopics(rows, 'TASK'))).toHaveLength(3);
  expect(names(searchTopics(rows, 'task.*'))).toEqual(['task.a', 'task.b.c']);
  expect(names(searchTopics(rows, ' '))).toHaveLength(3);
});

test('topics are sorted by what was asked for, then by name', () => {
  const rows = topicRows(
    [
      info('t10', { timestamp: '2026-11-20T12:00:01.000Z' }),
      info('t9', { events: 11 }),
      info('t1', { bytes: 900 }),
    ],
    new Map(),
  );
  expect(names(sortTopics(rows, 'name'))).toEqual(['t1', 't9', 't10']);
  expect(names(sortTopics(rows, 'recent'))).toEqual(['t10', 't1', 't9']);
  expect(names(sortTopics(rows, 'events'))[0]).toBe('t9');
  expect(names(sortTopics(rows, 'size'))[0]).toBe('t1');
});

test('the rate is that of the last five seconds', () => {
  const activity = new TopicActivity(0);
  for (let second = 10; second < 15; second++) {
    for (let i = 0; i < 4; i++) activity.record(event('a', second * 4 + i), second * 1000);
  }
  expect(activity.snapshot(14_900).get('a')?.perSecond).toBe(4);
  expect(activity.snapshot(17_000).get('a')?.perSecond).toBeCloseTo(1.6);
  expect(activity.snapshot(60_000).get('a')?.perSecond).toBe(0);
});
