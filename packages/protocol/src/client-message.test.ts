import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLIENT_MESSAGE_SCHEMAS, checkClientMessage } from './client-message.ts';
import { MillraceError } from './codes.ts';
import { MAX_NAME_LENGTH } from './limits.ts';

type Message = Record<string, unknown>;

function failureOf(message: Message): MillraceError {
  try {
    checkClientMessage(message);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

const publish = { type: 'publish', topic: 'task.a', event: 'task.progress', data: { n: 1 } };

describe('checkClientMessage', () => {
  test.for<Message>([
    { type: 'auth', token: 't' },
    { type: 'auth', id: 1, token: 't' },
    { type: 'subscribe', topic: 'a' },
    { type: 'subscribe', topics: ['a', 'b.*'], since: 'e:1' },
    { type: 'subscribe', topic: 'a', since: { epoch: 'e', offset: 0 } },
    { type: 'subscribe', topic: 'a', since: { epoch: 'e', offset: 1, id: 'x' } },
    { type: 'subscribe', topic: 'a', since: { last: 5 } },
    { type: 'subscribe', topic: 'a', since: { time: '2026-11-20T12:00:00Z' } },
    { type: 'subscribe', topic: 'a', filter: {}, consumer: 'c', batch: true, slow: 'conflate' },
    { type: 'subscribe', topic: 'a', batch: { maxEvents: 10, maxDelayMs: 100 } },
    { type: 'unsubscribe', topic: 'a' },
    publish,
    { ...publish, data: null },
    { ...publish, data: 'text', source: 's', key: 'k', priority: 'low', idempotencyKey: 'i', seal: true },
    { ...publish, expectOffset: 0, fence: { name: 'lock', token: 1 } },
    { ...publish, expectOffset: 'e:7' },
    { type: 'ack', topic: 'a', offset: 1, consumer: 'c' },
    { type: 'call', id: 'x', method: 'presence.join' },
    { type: 'ping' },
    { type: 'ping', id: 'x' },
  ])('[MSG-1] accepts %j', (message) => {
    expect(checkClientMessage(message)).toBe(message);
  });

  test('[MSG-3] ignores fields that it does not know', () => {
    for (const type of ['ping', 'publish', 'subscribe']) {
      const message = { ...publish, type, later: { version: 2 } };
      expect(checkClientMessage(message)).toBe(message);
    }
  });

  test.for<[message: Message, path: string, problem: string]>([
    [{ type: 'auth' }, '/token', 'is missing'],
    [{ type: 'auth', token: '' }, '/token', 'must not have fewer than 1 characters'],
    [{ type: 'subscribe', topic: 7 }, '/topic', 'must be string'],
    [{ type: 'subscribe', topics: [] }, '/topics', 'must not have fewer than 1 items'],
    [{ type: 'subscribe', topics: ['a', 7] }, '/topics/1', 'must be string'],
    [{ type: 'subscribe', topic: 'a', since: 7 }, '/since', 'none of the shapes'],
    [{ type: 'subscribe', topic: 'a', since: { epoch: 'e', offset: -1 } }, '/since', 'none of the shapes'],
    [
      { type: 'subscribe', topic: 'a', since: { epoch: 'e', offset: 2 ** 53 } },
      '/since',
      'none of the shapes',
    ],
    [{ type: 'subscribe', topic: 'a', since: { last: 0 } }, '/since', 'none of the shapes'],
    [
      { type: 'subscribe', topics: new Array(1001).fill('a') },
      '/topics',
      'must not have more than 1000 items',
    ],
    [{ type: 'subscribe', topic: 'a', filter: [] }, '/filter', 'must be object'],
    [{ type: 'subscribe', topic: 'a', slow: 'no' }, '/slow', 'catchup, drop-oldest, conflate, disconnect'],
    [{ ...publish, event: '' }, '/event', 'must not have fewer than 1 characters'],
    [{ ...publish, event: 'a\n' }, '/event', 'has a character that no name may have'],
    [{ ...publish, priority: 'urgent' }, '/priority', 'must be one of critical, high, normal, low'],
    [{ ...publish, expectOffset: 1.5 }, '/expectOffset', 'none of the shapes'],
    [{ ...publish, expectOffset: 2 ** 53 }, '/expectOffset', 'none of the shapes'],
    [{ ...publish, fence: { name: 'lock' } }, '/fence/token', 'is missing'],
    [{ ...publish, fence: { name: 'lock', token: 0 } }, '/fence/token', 'must be >= 1'],
    [{ ...publish, seal: 'yes' }, '/seal', 'must be boolean'],
    [{ type: 'publish', topic: 'a', event: 'e' }, '/data', 'is missing'],
    [{ type: 'ack', topic: 'a', offset: 0, consumer: 'c' }, '/offset', 'must be >= 1'],
    [{ type: 'call', method: 'm' }, '/id', 'is missing'],
    [{ type: 'ping', id: {} }, '/id', 'none of the shapes'],
    [{ type: 'ping', id: 'x'.repeat(65) }, '/id', 'none of the shapes'],
  ])('[MSG-1] refuses %j: %s %s', ([message, path, problem]) => {
    const error = failureOf(message);
    expect(error).toMatchObject({ code: 'bad-message', details: { path } });
    expect(error.message).toContain(`${message.type}: "${path}" `);
    expect(error.message).toContain(problem);
  });

  test.for([undefined, null, 7, {}, ['ping']])('[MSG-1] the type must be a string, not %j', (type) => {
    expect(failureOf({ type }).code).toBe('bad-message');
  });

  test.for(['', 'welcome', 'PING', 'toString', '__proto__', 'x'.repeat(1000)])(
    '[MSG-1] %j is an unknown type',
    (type) => {
      const error = failureOf({ type });
      expect(error.code).toBe('unknown-type');
      expect(error.message.length).toBeLessThan(100);
    },
  );

  // [TOPIC-1] answers what is no topic with a code of its own, so that is not for the shape to refuse.
  test.for(['', 'a b', 'x'.repeat(300)])('[TOPIC-1] leaves the topic %j to the rules for topics', (topic) => {
    expect(checkClientMessage({ type: 'subscribe', topic })).toMatchObject({ topic });
    expect(checkClientMessage({ ...publish, topic })).toMatchObject({ topic });
  });

  const names: readonly (readonly [name: string, place: (text: string) => Message])[] = [
    ['event', (event) => ({ ...publish, event })],
    ['source', (source) => ({ ...publish, source })],
    ['key', (key) => ({ ...publish, key })],
    ['idempotencyKey', (idempotencyKey) => ({ ...publish, idempotencyKey })],
    ['fence', (name) => ({ ...publish, fence: { name, token: 1 } })],
    ['consumer', (consumer) => ({ type: 'ack', topic: 'a', offset: 1, consumer })],
    ['method', (method) => ({ type: 'call', id: 1, method })],
  ];

  test.for(names)(
    '[MSG-6] %s has 1 to 255 characters, none of them a control or half a character',
    ([, place]) => {
      for (const text of ['a', 'x'.repeat(MAX_NAME_LENGTH), 'zoë 😀 "quoted" \\ / *']) {
        expect(checkClientMessage(place(text))).toBeDefined();
      }
      const refused = [
        '\u0000',
        '\t',
        '\n',
        '\r',
        '\u001f',
        '\u007f',
        '\u0080',
        '\u009f',
        '\ud800',
        '\udc00',
      ];
      for (const text of ['', 'x'.repeat(MAX_NAME_LENGTH + 1), ...refused, ...refused.map((c) => `a${c}b`)]) {
        expect(failureOf(place(text)).code, JSON.stringify(text)).toBe('bad-message');
      }
    },
  );

  test('[MSG-1] any object is accepted as its type or refused with a code', () => {
    const type = fc.oneof(fc.constantFrom(...Object.keys(CLIENT_MESSAGE_SCHEMAS)), fc.jsonValue());
    const field = fc.constantFrom(
      'id',
      'topic',
      'topics',
      'since',
      'event',
      'data',
      'token',
      'fence',
      'batch',
    );
    fc.assert(
      fc.property(type, fc.dictionary(field, fc.jsonValue()), (name, fields) => {
        try {
          expect(checkClientMessage({ ...fields, type: name })).toMatchObject({ type: name });
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError);
          expect(['bad-message', 'unknown-type']).toContain((error as MillraceError).code);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
