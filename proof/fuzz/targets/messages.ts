import { compileFilter, type FilterSubject } from '@millrace/protocol';
import { checkClientMessage } from '@millrace/protocol/client-message';
import { Packr } from 'msgpackr';
import { decodeJson, decodeMsgpack } from '../../../packages/server/src/doors/dialects.ts';
import { readFilter } from '../../../packages/server/src/doors/subscription-query.ts';
import { readSubscribe, readUnsubscribe } from '../../../packages/server/src/session/subscribe-request.ts';
import { broke, type FuzzTarget } from '../fuzz-target.ts';

const MAX_DEPTH = 32;

const MESSAGES: readonly object[] = [
  { type: 'auth', token: 'aaa.bbb.ccc', id: 1 },
  { type: 'subscribe', id: 's1', topic: 'task.*', since: 'earliest', filter: { types: ['a'] }, batch: true },
  { type: 'subscribe', topics: ['a', 'b.c'], since: { epoch: 'e', offset: 3, id: 'x' }, slow: 'conflate' },
  { type: 'subscribe', topic: 'a', since: { last: 10 }, batch: { maxEvents: 3, maxDelayMs: 50 } },
  { type: 'subscribe', topic: 'a', since: { time: '2026-01-01T00:00:00Z' }, consumer: 'phone' },
  { type: 'subscribe', stream: 'consciousness', filters: { types: ['a'], minAmount: 5 }, id: 3 },
  { type: 'unsubscribe', id: 2, topic: 'task.*' },
  { type: 'unsubscribe', stream: 'agents' },
  { type: 'connection.heartbeat', timestamp: '2026-11-20T12:00:00.000Z' },
  {
    type: 'publish',
    id: 'p1',
    topic: 'task.build-7',
    event: 'task.progress',
    data: { progress: 40, nested: { a: [1, 2, { b: null }] } },
    source: 'ci',
    key: 'k',
    priority: 'high',
    idempotencyKey: 'i',
    expectOffset: 'e:1',
    fence: { name: 'lease', token: 7 },
    seal: true,
  },
  { type: 'ack', id: 'a', topic: 'user.a', offset: 12, consumer: 'inbox' },
  { type: 'call', id: 9, method: 'locks.acquire', params: { name: 'x' } },
  { type: 'ping', id: 'h1' },
];

const WORDS = [
  'subscribe',
  'publish',
  '"topic":',
  '"since":',
  '"id":',
  'earliest',
  '{"last":1}',
  '__proto__',
  '\ud800',
];

const ALIASES = new Map([['consciousness', 'metrics.consciousness']]);

function understand(value: Record<string, unknown>): boolean {
  const message = checkClientMessage(value);
  if (message.type === 'subscribe') readSubscribe(message, ALIASES);
  if (message.type === 'unsubscribe') readUnsubscribe(message, ALIASES);
  return true;
}

export const jsonMessages: FuzzTarget = {
  name: 'JSON messages',
  seeds: MESSAGES.map((message) => JSON.stringify(message)),
  words: [...WORDS, '['.repeat(100), '{"a":'.repeat(40)],
  shape: 'json',
  create: () => (input) => understand(decodeJson(input, false, MAX_DEPTH)),
};

export const msgpackMessages: FuzzTarget = {
  name: 'MessagePack messages',
  seeds: MESSAGES.map((message) => JSON.stringify(message)),
  words: [
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xdb, 0x7f, 0xff, 0xff, 0xff]),
    Buffer.from([0xc7, 0x01, 0x05]),
    Buffer.from([0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(64, 0x91),
    Buffer.from([0xa9, ...Buffer.from('__proto__')]),
  ],
  shape: 'msgpack',
  create: () => {
    const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
    return (input) => {
      const value = decodeMsgpack(input, true, MAX_DEPTH);
      const again = decodeMsgpack(Buffer.from(packr.pack(value)), true, MAX_DEPTH);
      if (JSON.stringify(again) !== JSON.stringify(value)) broke('what was read is packed as something else');
      return understand(value);
    };
  },
};

const FILTERS: readonly object[] = [
  { types: ['task.failed', 'task.completed'], sources: ['ci'], minAmount: 100 },
  { task_id: '7', event_type: 'x', status: ['open', 'closed'] },
  { 'data.task_id': '7', event: ['task.failed'], 'data.amount': { gte: 100, lt: 1e9 } },
  {
    'data.a.b.c.d.e.f.g': { exists: true },
    key: { prefix: 'a' },
    topic: { ne: 'b' },
    priority: { in: ['low'] },
  },
  { 'data.n': { gt: 1, gte: 1, lt: 2, lte: 2, eq: 1 } },
];

const SUBJECTS: readonly FilterSubject[] = [
  {
    topic: 't',
    event: 'task.failed',
    source: 'ci',
    key: 'k',
    priority: 'low',
    data: () => ({ amount: 100, task_id: '7' }),
  },
  {
    topic: 't',
    event: 'x',
    source: undefined,
    key: undefined,
    priority: 'normal',
    data: () => [1, 'a', null],
  },
  {
    topic: 't',
    event: 'x',
    source: undefined,
    key: 'a',
    priority: 'high',
    data: () => ({ a: { b: { c: 1 } }, n: 1.5 }),
  },
  { topic: 't', event: 'x', source: undefined, key: 'a', priority: 'high', data: () => null },
];

export const filters: FuzzTarget = {
  name: 'filters',
  seeds: FILTERS.map((filter) => JSON.stringify(filter)),
  words: [
    '"gte":',
    '"in":[',
    '"exists":true',
    'data.',
    'data.constructor',
    'data.length',
    '"ne":null',
    '"prefix":""',
  ],
  shape: 'json',
  create: () => (input) => {
    const filter = readFilter(input.toString('utf8'));
    const compiled = compileFilter(filter);
    for (const subject of SUBJECTS) {
      const verdict = compiled.matches(subject);
      if (typeof verdict !== 'boolean') broke('a filter says neither yes nor no');
      if (compileFilter(filter).matches(subject) !== verdict) broke('the same filter says otherwise');
    }
    return true;
  },
};
