import { type Client, createClient, type Platform, type SocketHandlers } from '@millrace/client';
import { type SseBlock, SseParser } from '../../../packages/client/src/sse-parser.ts';
import { broke, type FuzzTarget } from '../fuzz-target.ts';

const EVENT = {
  type: 'event',
  topic: 'task.a',
  event: 'x',
  id: 'i1',
  offset: 3,
  epoch: 'e',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: { a: 1 },
};
const LIMITS = {
  maxMessageBytes: 64_000,
  maxJsonDepth: 32,
  maxSubscriptions: 128,
  messagesPerSecond: 100,
  messageBurst: 200,
};
const WELCOME = {
  type: 'welcome',
  connectionId: 'c1',
  userId: 'u',
  entityId: 'e',
  roles: ['member'],
  serverTime: '2026-01-01T00:00:00.000Z',
  heartbeatMs: 30_000,
  limits: LIMITS,
  protocol: 'millrace.v1.json',
};
const MESSAGES: readonly object[] = [
  WELCOME,
  {
    type: 'subscribed',
    id: 's1',
    topic: 'task.a',
    position: 'e:2',
    cursor: 'd1.2',
    recovered: true,
    replayed: 2,
  },
  {
    type: 'subscribed',
    id: 's2',
    topic: 'job.*',
    cursor: 'd1.2',
    recovered: false,
    reason: 'expired',
    replayed: 0,
  },
  EVENT,
  { ...EVENT, offset: 4, sealed: true, key: 'k', attempt: 2 },
  { type: 'batch', events: [EVENT, { ...EVENT, topic: 'job.b' }] },
  { type: 'position', topic: 'job.*', cursor: 'd1.9' },
  { type: 'position', cursor: 'l1.0~d1.9', position: 'e:9', topic: 'task.a' },
  { type: 'dropped', topic: 'task.a', from: 2, to: 3, count: 2, reason: 'slow' },
  { type: 'lag', topic: 'task.a', behind: 4 },
  { type: 'ok', id: 'p1', result: { topic: 'a', id: 'i', offset: 1, epoch: 'e', timestamp: '' } },
  {
    type: 'error',
    id: 'p1',
    code: 'rate-limited',
    message: 'no',
    retryable: true,
    timestamp: '',
    details: { retryAfterMs: 5 },
  },
  { type: 'unsubscribed', topic: 'task.a', code: 'internal', reason: 'r' },
  { type: 'acked', topic: 'task.a', consumer: 'inbox', offset: 3 },
  { type: 'pong', id: 'h1', timestamp: '' },
  { type: 'closing', code: 'draining', reason: 'r', retryAfterMs: 100 },
];
/** Messages to one client before another takes its place. */
const MESSAGES_A_CLIENT = 500;

/** A client that is connected to whoever calls `tell`. */
class Listener {
  readonly #client: Client;
  #handlers: SocketHandlers | undefined;
  #thrown: unknown;

  constructor() {
    const platform: Platform = {
      now: () => 0,
      monotonic: () => 0,
      // Whatever is thrown in a listener is thrown later, by a timer at once; no other is waited for.
      after: (delayMs, task) => {
        if (delayMs === 0) this.#guard(task);
        return { cancel: () => {} };
      },
      random: () => 0.5,
      uniqueId: () => 'x',
      openSocket: (_url, _protocols, handlers) => {
        this.#handlers = handlers;
        return { send: () => {}, close: () => {} };
      },
      fetch: () => Promise.reject(new Error('no HTTP')),
      onWake: () => () => {},
    };
    this.#client = createClient({ url: 'http://server.test', transport: 'websocket', platform });
    for (const topic of ['task.a', 'job.*'])
      this.#client.topic(topic, { since: 'earliest' }).on('event', () => {});
    this.#client.publish('a', 'x', null).catch(() => {});
  }

  /** Connects, also again when it has gone away: it was told what breaks the protocol, or asked to go. */
  open(): void {
    this.#client.connect();
    this.#handlers?.opened();
    this.#handlers?.message(JSON.stringify(WELCOME));
  }

  get gone(): boolean {
    return this.#client.state !== 'connected';
  }

  tell(text: string): void {
    this.#handlers?.message(text);
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown;
  }

  close(): void {
    this.#client.close();
  }

  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#thrown = error;
    }
  }
}

export const serverMessages: FuzzTarget = {
  name: 'server messages in the SDK',
  seeds: MESSAGES.map((message) => JSON.stringify(message)),
  words: [
    '"type":"event"',
    '"offset":',
    '"cursor":',
    '"topic":"task.a"',
    '"replayed":',
    '"id":"s1"',
    '"events":[',
  ],
  shape: 'json',
  create: () => {
    let listener = new Listener();
    let told = 0;
    return (input) => {
      if (told++ % MESSAGES_A_CLIENT === 0) {
        listener.close();
        listener = new Listener();
      }
      if (listener.gone) listener.open();
      listener.tell(input.toString('utf8'));
      return !listener.gone;
    };
  },
};

export const sseStreams: FuzzTarget = {
  name: 'event streams in the SDK',
  seeds: [
    'retry: 1000\nid: d1.2\n\n',
    'id: d1.3\nevent: task.progress\ndata: {"a":1}\n\n: heartbeat\n\n',
    '\ufeffdata: a\r\ndata: b\r\rid\nevent:x\n\n',
    'event: gap\ndata: {"reason":"expired"}\n\n',
  ],
  words: ['\r\n', '\n\n', '\r', 'data:', 'id: ', 'event:', 'retry: 5', ':', '\u0000', 'é', '\ufeff'],
  create: (random) => {
    const parse = (pieces: readonly Buffer[]): SseBlock[] => {
      const blocks: SseBlock[] = [];
      const parser = new SseParser((block) => blocks.push(block));
      for (const piece of pieces) parser.push(piece);
      return blocks;
    };
    return (input) => {
      const whole = parse([input]);
      const at = Math.floor(random() * input.length);
      const between = at + Math.floor(random() * (input.length - at));
      const pieces = [input.subarray(0, at), input.subarray(at, between), input.subarray(between)];
      const cut = parse(pieces);
      if (JSON.stringify(whole) !== JSON.stringify(cut))
        broke(`cut at ${at} and ${between} it says something else`);
      return whole.length > 0;
    };
  },
};
