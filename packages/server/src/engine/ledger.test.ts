import { describe, expect, test } from 'vitest';
import type { AppendRequest, AppendResult } from './engine.ts';
import { IDEMPOTENCY_WINDOW_KEYS } from './idempotency-window.ts';
import { Ledger } from './ledger.ts';

function open(options: { maxTombstones?: number } = {}) {
  let ids = 0;
  return new Ledger({ slot: 'durable', epoch: 'e', newId: () => `id${++ids}`, ...options });
}

function request(topic: string, more: Partial<AppendRequest> = {}): AppendRequest {
  return { entity: 'acme', topic, event: 'x', data: '1', ...more };
}

function store(ledger: Ledger, topic: string, more: Partial<AppendRequest> = {}, now = 1000): AppendResult {
  const plan = ledger.plan([request(topic, more)], now);
  plan.commit();
  return plan.results[0]!;
}

const offsetOf = (result: AppendResult | undefined) =>
  result?.status === 'stored' ? result.position.offset : result;

describe('a plan', () => {
  test('is invisible until it is committed', () => {
    const ledger = open();
    const plan = ledger.plan([request('a'), request('a')], 1000);
    expect(ledger.topic('acme', 'a')).toBeUndefined();
    expect(ledger.cursor('acme')).toEqual({ durable: { epoch: 'e', seqs: [0] } });
    const batches = plan.commit();
    expect(ledger.topic('acme', 'a')?.head('durable')).toMatchObject({
      position: { epoch: 'e-1', offset: 2 },
      bytes: 2,
    });
    expect(batches).toEqual([{ entity: 'acme', prevSeq: 0, seq: 2, events: plan.events }]);
  });

  test('builds on the plans before it that are still being stored', () => {
    const ledger = open();
    const first = ledger.plan([request('a', { idempotencyKey: 'k' })], 1000);
    const second = ledger.plan(
      [request('a', { idempotencyKey: 'k' }), request('a', { expect: { offset: 1 } })],
      1000,
    );
    first.commit();
    expect(ledger.topic('acme', 'a')?.offset).toBe(1);
    second.commit();
    expect(second.results[0]).toMatchObject({ duplicate: true, position: { offset: 1 } });
    expect(offsetOf(second.results[1])).toBe(2);
  });

  test('that is rolled back takes the later ones with it, and leaves everything as it was', () => {
    const ledger = open();
    store(ledger, 'a', { fence: { name: 'lock', token: 5 } });
    const first = ledger.plan(
      [request('a', { idempotencyKey: 'k', fence: { name: 'lock', token: 7 } }), request('b')],
      2000,
    );
    ledger.plan([request('a', { seal: true, fence: { name: 'lock', token: 9 } }), request('c')], 3000);
    first.rollback();
    expect(ledger.topic('acme', 'a')).toMatchObject({ offset: 1, plannedOffset: 1, plannedSealed: false });
    expect(ledger.entity('acme')?.topics.size).toBe(1);
    expect(offsetOf(store(ledger, 'a', { idempotencyKey: 'k', fence: { name: 'lock', token: 6 } }))).toBe(2);
    expect(offsetOf(store(ledger, 'b'))).toBe(1);
  });

  test('gives a rolled-back seq to nobody else', () => {
    const ledger = open();
    ledger.plan([request('a')], 1000).rollback();
    expect(store(ledger, 'a')).toMatchObject({ seq: 2, position: { epoch: 'e-2', offset: 1 } });
  });

  test('can be settled only in order, and once', () => {
    const ledger = open();
    const first = ledger.plan([request('a')], 1000);
    const second = ledger.plan([request('a')], 1000);
    expect(() => second.commit()).toThrow('oldest first');
    expect(() => second.rollback()).toThrow('oldest first');
    first.commit();
    expect(() => first.commit()).toThrow('once');
  });

  test('gives each entity a batch of its own', () => {
    const ledger = open();
    store(ledger, 'a');
    const batches = ledger
      .plan([request('a'), request('a', { entity: 'other' }), request('b')], 1000)
      .commit();
    expect(
      batches.map(({ entity, prevSeq, seq, events }) => [entity, prevSeq, seq, events.map((e) => e.seq)]),
    ).toEqual([
      ['acme', 1, 4, [2, 4]],
      ['other', 0, 3, [3]],
    ]);
  });
});

describe('the idempotency window', () => {
  test('keeps the newest keys however old they are, and lets older ones go', () => {
    const ledger = open();
    for (let i = 0; i <= IDEMPOTENCY_WINDOW_KEYS; i++) store(ledger, 'a', { idempotencyKey: `k${i}` }, 1000);
    const late = 1000 + 600_001;
    expect(store(ledger, 'a', { idempotencyKey: 'k0' }, late)).toMatchObject({ duplicate: true });
    store(ledger, 'a', { idempotencyKey: 'new' }, late);
    expect(ledger.topic('acme', 'a')?.keys?.size).toBe(IDEMPOTENCY_WINDOW_KEYS);
    expect(store(ledger, 'a', { idempotencyKey: 'k1' }, late)).toMatchObject({ duplicate: false });
    expect(store(ledger, 'a', { idempotencyKey: 'k5' }, late)).toMatchObject({ duplicate: true });
  });

  test('plans are rolled back whole, over several topics and behind a window that has moved on', () => {
    const ledger = open();
    store(ledger, 'a');
    store(ledger, 'b');
    const keyed = (topic: string, key: string) => request(topic, { idempotencyKey: key });
    const first = ledger.plan([keyed('a', 'k'), keyed('b', 'k'), keyed('a', 'l')], 1000);
    const many = Array.from({ length: IDEMPOTENCY_WINDOW_KEYS }, (_, i) => keyed('a', `k${i}`));
    ledger.plan([...many, keyed('b', 'l')], 1000 + 600_001);
    first.rollback();
    for (const topic of ['a', 'b']) {
      expect(ledger.topic('acme', topic)).toMatchObject({ offset: 1, plannedOffset: 1, keys: { size: 0 } });
      expect(store(ledger, topic, { idempotencyKey: 'k' }, 700_000)).toMatchObject({ duplicate: false });
    }
  });

  test('keeps a key that was rolled back and came again', () => {
    const ledger = open();
    store(ledger, 'a');
    ledger.plan([request('a', { idempotencyKey: 'k' })], 1000).rollback();
    store(ledger, 'a', { idempotencyKey: 'k' }, 700_000);
    for (let i = 0; i < IDEMPOTENCY_WINDOW_KEYS - 1; i++)
      store(ledger, 'a', { idempotencyKey: `k${i}` }, 700_000);
    expect(store(ledger, 'a', { idempotencyKey: 'k' }, 700_000)).toMatchObject({ duplicate: true });
  });
});

describe('positions and cursors', () => {
  test('a position of a topic that does not exist covers everything it will hold', () => {
    const ledger = open();
    store(ledger, 'other');
    const unborn = ledger.position('acme', 'a');
    expect(ledger.since('acme', 'a', unborn)).toEqual({ ok: true, after: 0 });
    store(ledger, 'other');
    store(ledger, 'a');
    expect(ledger.topic('acme', 'a')?.epoch).not.toBe(unborn.epoch);
    expect(ledger.since('acme', 'a', unborn)).toEqual({ ok: true, after: 0 });
    expect(offsetOf(store(ledger, 'b', { expect: unborn }))).toBe(1);
  });

  test('it stops doing so when a life of the topic has come and gone since', () => {
    const ledger = open();
    const unborn = ledger.position('acme', 'a');
    store(ledger, 'a');
    ledger.delete('acme', ledger.topic('acme', 'a')!);
    const later = ledger.position('acme', 'a');
    expect(ledger.since('acme', 'a', unborn)).toEqual({ ok: false, reason: 'epoch' });
    store(ledger, 'a');
    expect(ledger.since('acme', 'a', unborn)).toEqual({ ok: false, reason: 'epoch' });
    expect(ledger.since('acme', 'a', later)).toEqual({ ok: true, after: 0 });
    expect(store(ledger, 'a', { expect: { offset: 1, epoch: unborn.epoch } })).toMatchObject({
      code: 'conflict',
    });
  });

  test('a position of the future is of another log', () => {
    const ledger = open();
    store(ledger, 'a');
    expect(ledger.since('acme', 'a', { epoch: 'e-zz', offset: 0 })).toEqual({ ok: false, reason: 'epoch' });
    expect(ledger.since('acme', 'a', { epoch: 'e-1', offset: 2 })).toEqual({ ok: false, reason: 'epoch' });
    expect(ledger.since('acme', 'b', { epoch: 'e-zz', offset: 0 })).toEqual({ ok: false, reason: 'epoch' });
  });

  test('a forgotten topic is missed only by those who had not read it to its end', () => {
    const ledger = open();
    store(ledger, 'a');
    store(ledger, 'a');
    const topic = ledger.topic('acme', 'a')!;
    ledger.trim('acme', topic, 3, 2, 0);
    expect(ledger.sinceCursor('acme', ['*'], ledger.cursor('acme', 1))).toEqual({
      ok: false,
      reason: 'expired',
    });
    ledger.forget('acme', topic);
    expect(ledger.sinceCursor('acme', ['*'], ledger.cursor('acme', 1))).toEqual({
      ok: false,
      reason: 'expired',
    });
    expect(ledger.sinceCursor('acme', ['b'], ledger.cursor('acme', 1))).toMatchObject({ ok: true, after: 1 });
    expect(ledger.sinceCursor('acme', ['*'], ledger.cursor('acme', 2))).toMatchObject({ ok: true, after: 2 });
    expect(ledger.since('acme', 'a', { epoch: 'e-1', offset: 1 })).toEqual({ ok: false, reason: 'expired' });
  });

  test('more removed topics than are remembered make every older cursor doubtful', () => {
    const ledger = open({ maxTombstones: 2 });
    const start = ledger.cursor('acme');
    for (const topic of ['a', 'b', 'c']) {
      store(ledger, topic);
      ledger.delete('acme', ledger.topic('acme', topic)!);
    }
    expect(ledger.sinceCursor('acme', ['x'], start)).toEqual({ ok: false, reason: 'epoch' });
    expect(ledger.sinceCursor('acme', ['x'], ledger.cursor('acme', 2))).toMatchObject({ ok: true, after: 2 });
    expect(ledger.sinceCursor('acme', ['b'], ledger.cursor('acme', 2))).toEqual({
      ok: false,
      reason: 'epoch',
    });
  });
});

test('a restored ledger goes on where the stored one stopped', () => {
  const before = open();
  store(before, 'gone');
  const { tombstone } = before.delete('acme', before.topic('acme', 'gone')!);
  const first = store(before, 'a', { idempotencyKey: 'k', fence: { name: 'lock', token: 5 }, seal: true });
  if (first.status !== 'stored') throw new Error('not stored');
  const topic = before.topic('acme', 'a')!;

  const after = open();
  after.restoreTombstone('acme', tombstone);
  const restored = after.restoreTopic({ ...topic, entity: 'acme', fences: topic.fences! });
  after.restoreKey(restored, 'k', { ...first, offset: first.position.offset });

  expect(after.cursor('acme')).toEqual(before.cursor('acme'));
  expect(after.topic('acme', 'a')?.head('durable')).toEqual(topic.head('durable'));
  expect(store(after, 'a', { idempotencyKey: 'k' })).toEqual({ ...first, duplicate: true });
  expect(store(after, 'a')).toMatchObject({ code: 'sealed' });
  expect(after.since('acme', 'gone', { epoch: 'e-1', offset: 1 })).toEqual({ ok: false, reason: 'epoch' });
  expect(store(after, 'b')).toMatchObject({ seq: before.seq + 1 });
});
