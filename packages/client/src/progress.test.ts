import type { EventMessage, SubscribedMessage } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { MAX_PLACES, Progress } from './progress.ts';

const event = (topic: string, offset: number, epoch = 'e'): EventMessage => {
  return {
    type: 'event',
    topic,
    event: 'x',
    id: `${topic}-${offset}`,
    offset,
    epoch,
    timestamp: '',
    data: null,
  };
};
const subscribed = (over: Partial<SubscribedMessage>): SubscribedMessage => {
  return { type: 'subscribed', topic: 't', cursor: 'd1.1', replayed: 0, ...over };
};

test('[REC-2] a topic resumes after its last event, whose id proves that it is the same log', () => {
  const progress = new Progress('t', 'earliest', false);
  expect(progress.resume).toBe('earliest');
  progress.subscribed(subscribed({ position: 'e:2', replayed: 2, recovered: true }));
  expect(progress.resume).toBe('earliest');
  expect(progress.accept(event('t', 1))).toBe(true);
  expect(progress.resume).toEqual({ epoch: 'e', offset: 1, id: 't-1' });
});

test('[SUB-2] a topic that begins now resumes from the head it was told', () => {
  const progress = new Progress('t', undefined, false);
  progress.subscribed(subscribed({ position: 'e:0' }));
  expect(progress.resume).toBe('e:0');
});

test('a repeat is not accepted, nor moves the reader back', () => {
  const progress = new Progress('t', 'earliest', false);
  expect([1, 2, 2, 1, 3].map((offset) => progress.accept(event('t', offset)))).toEqual([
    true,
    true,
    false,
    false,
    true,
  ]);
  expect(progress.position).toBe('e:3');
});

test('[SUB-9] events of a new epoch are new', () => {
  const progress = new Progress('t', 'earliest', false);
  progress.accept(event('t', 7));
  expect(progress.accept(event('t', 1, 'f'))).toBe(true);
  expect(progress.position).toBe('f:1');
});

test('[REC-3] [SUB-3] a pattern resumes from the cursor behind its replay only when the replay has been read', () => {
  const progress = new Progress('t.*', 'd1.0', false);
  progress.subscribed(subscribed({ topic: 't.*', cursor: 'd1.2', replayed: 2, recovered: true }));
  progress.accept(event('t.a', 1));
  expect(progress.resume).toBe('d1.0');
  progress.accept(event('t.b', 1));
  expect(progress.resume).toBe('d1.2');
});

// The server had read ahead for the replay: both cursors stood before its last event, and the second made it forgotten.
test('[HB-4] a pattern drops what a resume repeats, however many cursors stood before it', () => {
  const progress = new Progress('t.*', undefined, false);
  progress.subscribed(subscribed({ topic: 't.*', cursor: 'd1.0' }));
  progress.accept(event('t.a', 1));
  expect(progress.moved({ type: 'position', cursor: 'l1.1~d1.0' })).toBe(true);
  expect(progress.moved({ type: 'position', cursor: 'l1.2~d1.0' })).toBe(true);
  expect(progress.accept(event('t.a', 1))).toBe(false);
  expect(progress.resume).toBe('l1.2~d1.0');
});

// A replay that spans two lives of a topic was interrupted, and brought the first life a second time.
test('[SUB-9] what a resume repeats of a former life of a topic is dropped', () => {
  const progress = new Progress('t.*', 'd1.0', false);
  const replay = [event('t.a', 1), event('t.a', 2), event('t.a', 1, 'f')];
  expect(replay.map((each) => progress.accept(each))).toEqual([true, true, true]);
  expect(replay.map((each) => progress.accept(each))).toEqual([false, false, false]);
  expect(progress.accept(event('t.a', 2, 'f'))).toBe(true);
  expect(progress.accept(event('t.a', 1, 'g'))).toBe(true);
});

test('a pattern remembers a bounded number of topics', () => {
  const progress = new Progress('t.*', undefined, false);
  for (let i = 0; i <= MAX_PLACES * 2; i++) progress.accept(event(`t.${i}`, 1));
  expect(progress.accept(event(`t.${MAX_PLACES * 2}`, 1))).toBe(false);
  expect(progress.accept(event('t.0', 1))).toBe(true);
});

test('[REC-1] what could not be recovered is a gap, and reading goes on from the head', () => {
  const progress = new Progress('t', 'e:1', false);
  progress.accept(event('t', 5));
  const gap = progress.subscribed(subscribed({ position: 'f:3', recovered: false, reason: 'epoch' }));
  expect(gap).toEqual({ topic: 't', reason: 'epoch' });
  expect(progress.resume).toBe('f:3');
});

test('[REC-8] events dropped from a replay count as read', () => {
  const progress = new Progress('t.*', 'earliest', false);
  progress.subscribed(subscribed({ topic: 't.*', cursor: 'd1.9', replayed: 3, recovered: true }));
  progress.accept(event('t.a', 1));
  progress.dropped({ type: 'dropped', topic: 't.a', from: 2, to: 3, count: 2, reason: 'expired' });
  expect(progress.resume).toBe('d1.9');
  expect(progress.accept(event('t.a', 3))).toBe(false);
});

test('a replay whose rest nobody can count ends with the next cursor', () => {
  const progress = new Progress('t.*', 'earliest', false);
  progress.subscribed(subscribed({ topic: 't.*', cursor: 'd1.9', replayed: 3, recovered: true }));
  expect(progress.moved({ type: 'position', cursor: 'd1.10' })).toBe(false);
  progress.dropped({ type: 'dropped', topic: 't.*', reason: 'expired' });
  expect(progress.moved({ type: 'position', cursor: 'd1.11' })).toBe(true);
  expect(progress.live).toBe(true);
});

test('a filtered replay ends where the server says, however few of its events came', () => {
  const progress = new Progress('t', 'earliest', true);
  progress.subscribed(subscribed({ position: 'e:9', replayed: 9, recovered: true }));
  progress.accept(event('t', 3));
  expect(progress.moved({ type: 'position', topic: 't', position: 'e:6' })).toBe(false);
  expect(progress.live).toBe(false);
  expect(progress.resume).toBe('e:6');
  expect(progress.moved({ type: 'position', topic: 't', position: 'e:9' })).toBe(true);
  expect(progress.live).toBe(true);
  expect(progress.cursor).toBe('d1.1');
});

test('a filtered pattern resumes from the newest cursor that it was told, also within the replay', () => {
  const progress = new Progress('t.*', 'd1.0', true);
  progress.subscribed(subscribed({ topic: 't.*', cursor: 'd1.z', replayed: 35, recovered: true }));
  progress.accept(event('t.a', 1));
  // What other subscriptions of the session have reached says nothing of this one.
  expect(progress.moved({ type: 'position', cursor: 'd1.zz' })).toBe(false);
  expect(progress.moved({ type: 'position', topic: 't.*', cursor: 'd1.9' })).toBe(true);
  expect([progress.resume, progress.live]).toEqual(['d1.9', false]);
  expect(progress.moved({ type: 'position', topic: 't.*', cursor: 'd1.10' })).toBe(true);
  expect([progress.resume, progress.live]).toEqual(['d1.10', true]);
});

test('a filtered topic that a cursor moves on resumes from it, until an event lies behind it', () => {
  const progress = new Progress('t', undefined, true);
  progress.subscribed(subscribed({}));
  progress.accept(event('t', 1));
  progress.moved({ type: 'position', topic: 't', cursor: 'd1.5' });
  expect(progress.resume).toBe('d1.5');
  progress.accept(event('t', 9));
  expect(progress.resume).toEqual({ epoch: 'e', offset: 9, id: 't-9' });
});

test('what a slow reader was spared does not hide the events that it still gets', () => {
  const progress = new Progress('t', undefined, false);
  progress.subscribed(subscribed({ position: 'e:1' }));
  progress.accept(event('t', 2));
  progress.dropped({ type: 'dropped', topic: 't', from: 3, to: 9, count: 5, reason: 'slow' });
  expect(progress.accept(event('t', 4))).toBe(true);
});
