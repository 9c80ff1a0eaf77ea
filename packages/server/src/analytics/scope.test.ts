import { expect, test } from 'vitest';
import { FlapDetector } from './flap-detector.ts';
import { Scope } from './scope.ts';
import { connectionFigures, performanceFigures } from './scope-figures.ts';
import { TopCounts } from './top-counts.ts';

const NOON = Date.UTC(2026, 10, 20, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOBODY = { count: 0, messages: 0, seconds: 0 };

const end = (userId: string, seconds: number, more: object = {}) => ({
  userId,
  durationMs: seconds * 1000,
  messages: 0,
  topics: [],
  ...more,
});

test('sessions add up to what is told of connections', () => {
  const scope = new Scope(NOON);
  scope.opened('ann', 'websocket', 10, NOON);
  scope.opened('ann', 'sse', 10, NOON);
  scope.opened('bob', 'websocket', 30, NOON);
  scope.resumed(NOON);
  scope.closed(end('ann', 30, { messages: 20, topics: ['task.*'] }), NOON + 30_000);
  scope.closed(end('ann', 90, { messages: 10, topics: ['task.*', 'chat.a'] }), NOON + 90_000);
  scope.opened('cid', 'bare', 10, NOON + 2 * MINUTE);
  const figures = connectionFigures(
    scope,
    { count: 2, messages: 30, seconds: 120 },
    scope,
    NOON + 4 * MINUTE,
  );
  expect(figures).toMatchObject({
    total_connections: 4,
    connection_duration_avg: 60,
    reconnection_rate: 0.25,
    peak_concurrent_users: 2,
    active_users: 2,
    active_sessions: 2,
    interaction_frequency: 15,
    session_duration_distribution: { under_10s: 0, under_1m: 1, under_5m: 1, longer: 0, max_seconds: 90 },
    feature_usage: {
      doors: { websocket: 2, sse: 1, bare: 1 },
      topics: [
        { topic: 'task.*', published: 0, sessions: 2 },
        { topic: 'chat.a', published: 0, sessions: 1 },
      ],
    },
    since: new Date(NOON).toISOString(),
  });
});

test('events add up to throughput, usage, bursts and silences', () => {
  const scope = new Scope(NOON);
  for (let minute = 0; minute < 12; minute++) scope.published(20, NOON + minute * MINUTE);
  scope.published(280, NOON + 12 * MINUTE);
  for (let i = 0; i < 3; i++) scope.publishedTo('task.a', 'task.progress');
  scope.publishedTo('task.b', 'task.failed');
  const now = NOON + 16 * MINUTE + 1;
  expect(connectionFigures(scope, NOBODY, scope, now)).toMatchObject({
    // 280 in the last five minutes.
    message_throughput: 0.93,
    feature_usage: {
      events: { 'task.progress': 3, 'task.failed': 1 },
      topics: [{ topic: 'task.a', published: 3 }, { topic: 'task.b' }],
    },
  });
  expect(performanceFigures(scope, now).patterns).toMatchObject({
    bursts: [{ minutes: 1, count: 280, times_usual: 14 }],
    silences: [{ minutes: 3 }],
    error_cascades: [],
  });
});

test('errors that come together are a cascade', () => {
  const scope = new Scope(NOON);
  for (let minute = 0; minute < 15; minute++) scope.erred(NOON + minute * MINUTE);
  for (let i = 0; i < 12; i++) scope.erred(NOON + 15 * MINUTE);
  const { error_cascades } = performanceFigures(scope, NOON + 17 * MINUTE).patterns;
  expect(error_cascades).toMatchObject([{ minutes: 1, count: 12, times_usual: 12 }]);
});

test('the hours with the most users stand out, also those in which nobody came because all stayed', () => {
  const scope = new Scope(NOON);
  for (let day = 0; day < 3; day++) {
    const morning = NOON + day * 24 * HOUR;
    for (const user of ['a', 'b', 'c']) scope.opened(user, 'websocket', 1, morning);
    scope.sample(morning + HOUR);
    for (const user of ['a', 'b']) scope.closed(end(user, 100), morning + HOUR + 1);
    scope.sample(morning + 2 * HOUR);
    scope.closed(end('c', 100), morning + 2 * HOUR + 1);
  }
  const { peak_hours } = connectionFigures(scope, NOBODY, scope, NOON + 3 * 24 * HOUR - 1).patterns;
  expect(peak_hours).toEqual([
    { hour: 12, users: 3, connections: 3 },
    { hour: 13, users: 3, connections: 0 },
    { hour: 14, users: 1, connections: 0 },
  ]);
});

test('what is stored is all of it but who is there', () => {
  const scope = new Scope(NOON);
  scope.opened('ann', 'websocket', 12, NOON);
  scope.published(5, NOON);
  scope.publishedTo('task.a', 'x');
  scope.failed('unauthorized');
  for (let i = 0; i < 6; i++) scope.closed(end('flip', 1), NOON + i * 1000);
  const stored = JSON.parse(JSON.stringify(scope.stateAt(NOON + MINUTE)));
  const next = new Scope(NOON + HOUR, stored);
  expect(next.stateAt(NOON + MINUTE)).toEqual(scope.stateAt(NOON + MINUTE));
  expect(next.activeUsers).toBe(0);
  const figuresOf = (each: Scope) => connectionFigures(each, NOBODY, each, NOON + MINUTE);
  expect(figuresOf(next)).toEqual({ ...figuresOf(scope), active_users: 0 });
});

test('what comes from outside does not make it grow', () => {
  const scope = new Scope(NOON);
  for (let i = 0; i < 20_000; i++) {
    const at = NOON + i * MINUTE;
    scope.opened(`user-${i}`, 'websocket', i, at);
    scope.publishedTo(`${'t'.repeat(240)}-${i}`, `${'e'.repeat(240)}-${i}`);
    scope.published(1_000_000, at);
    scope.erred(at);
    scope.failed(`code-${i}`);
    scope.closed(end(`${'u'.repeat(240)}-${i % 2000}`, 1, { topics: [`${'s'.repeat(240)}-${i}`] }), at);
    scope.closed(end(`user-${i}`, i), at);
  }
  // An event of the log holds it.
  expect(JSON.stringify(scope.stateAt(NOON + 20_000 * MINUTE)).length).toBeLessThan(64_000);
  expect(scope.activeUsers).toBe(0);
});

test('names that come often are kept, whatever comes beside them', () => {
  const counts = new TopCounts(2);
  for (let i = 0; i < 100; i++) {
    counts.add('often');
    counts.add(`once-${i}`);
    if (i % 2 === 0) counts.add('sometimes', 2);
  }
  expect(counts.top()).toEqual([
    ['often', 100],
    ['sometimes', 100],
  ]);
});

test('who leaves within 30 s, five times in five minutes, is flapping; who stays or takes its time is not', () => {
  const detector = new FlapDetector();
  for (let i = 0; i < 7; i++) detector.closed('flip', 1000, NOON + i * 10_000);
  for (let i = 0; i < 7; i++) detector.closed('slow', 1000, NOON + i * 100_000);
  for (let i = 0; i < 7; i++) detector.closed('long', 31_000, NOON + i * 10_000);
  const last_at = new Date(NOON + 60_000).toISOString();
  expect(detector.read(NOON + MINUTE)).toEqual([{ user_id: 'flip', sessions: 7, last_at }]);
  expect(detector.read(NOON + 25 * HOUR)).toEqual([]);
});
