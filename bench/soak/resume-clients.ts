import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, createClient, globalPlatform, type Platform } from '@millrace/client';
import { WebSocket } from 'ws';

/** What the main process asks of its clients. */
export interface ResumeOrder {
  readonly url: string;
  readonly token: string;
  readonly clients: number;
  readonly seed: number;
  /** How long connections are cut. */
  readonly cutForMs: number;
}

export interface ResumeReport {
  readonly delivered: number;
  readonly cuts: number;
  readonly gaps: number;
  readonly repeats: number;
  /** Times the SDK said that recovery was not possible. */
  readonly unrecovered: number;
  /** Events that had not come in the end. */
  readonly missing: number;
}

/** A connection is cut about so often, and kept away at most so long. */
const CUT_EVERY_MS = 10_000;
const MAX_AWAY_MS = 3000;
/** How long clients may take in the end to come to the heads. */
const CATCH_UP_MS = 60_000;

/** mulberry32: a seed gives the same cuts again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An application that checks what it is given, on a network that can be cut. */
class CheckedClient {
  readonly last: Map<string, number> = new Map();
  readonly pattern: string;
  delivered = 0;
  gaps = 0;
  repeats = 0;
  unrecovered = 0;
  readonly #client: Client;
  #socket: WebSocket | undefined;
  #awayUntil = 0;

  constructor(order: ResumeOrder, pattern: string) {
    this.pattern = pattern;
    this.#client = createClient({
      url: order.url,
      token: order.token,
      transport: 'websocket',
      platform: this.#platform(),
    });
    const subscription = this.#client.topic(pattern, { since: 'earliest' });
    subscription.on('gap', () => {
      this.unrecovered++;
    });
    subscription.on('event', ({ topic, offset }) => {
      const last = this.last.get(topic) ?? 0;
      if (offset <= last) this.repeats++;
      else if (offset > last + 1) this.gaps++;
      this.last.set(topic, offset);
      this.delivered++;
    });
  }

  cut(awayMs: number): void {
    this.#awayUntil = performance.now() + awayMs;
    this.#socket?.terminate();
  }

  close(): void {
    void this.#client.close();
  }

  #platform(): Platform {
    return {
      ...globalPlatform,
      openSocket: (url, protocols, handlers) => {
        const target = performance.now() < this.#awayUntil ? 'ws://127.0.0.1:1/' : url;
        const socket = new WebSocket(target, [...protocols]);
        this.#socket = socket;
        socket.on('open', () => handlers.opened());
        socket.on('message', (data) => handlers.message(String(data)));
        socket.on('close', (code, reason) => handlers.closed(code, String(reason)));
        socket.on('error', () => {});
        return { send: (text) => socket.send(text), close: (code, reason) => socket.close(code, reason) };
      },
    };
  }
}

const [order] = (await once(process, 'message')) as [ResumeOrder];
const random = createRandom(order.seed);
const clients = Array.from(
  { length: order.clients },
  (_, index) => new CheckedClient(order, index % 2 === 0 ? 'soak.one' : 'soak.*'),
);
let finalHeads: ReadonlyMap<string, number> | undefined;
process.once('message', ({ heads }: { heads: [string, number][] }) => {
  finalHeads = new Map(heads);
});

let cuts = 0;
const start = performance.now();
let done = start;
while (finalHeads === undefined) {
  await pause(20);
  const now = performance.now();
  if (now - start > order.cutForMs) continue;
  const expected = ((now - done) / CUT_EVERY_MS) * clients.length;
  done = now;
  for (let due = expected; due > random(); due--) {
    const client = clients[Math.floor(random() * clients.length)] as CheckedClient;
    client.cut(random() < 0.5 ? 0 : random() * MAX_AWAY_MS);
    cuts++;
  }
}

const heads = finalHeads;
const missingOf = ({ pattern, last }: CheckedClient): number => {
  let missing = 0;
  for (const [topic, head] of heads) {
    if (pattern === topic || pattern.endsWith('*')) missing += head - (last.get(topic) ?? 0);
  }
  return missing;
};
const deadline = performance.now() + CATCH_UP_MS;
while (performance.now() < deadline && clients.some((client) => missingOf(client) > 0)) await pause(100);

const sum = (of: (client: CheckedClient) => number): number =>
  clients.reduce((total, client) => total + of(client), 0);
const report: ResumeReport = {
  delivered: sum(({ delivered }) => delivered),
  cuts,
  gaps: sum(({ gaps }) => gaps),
  repeats: sum(({ repeats }) => repeats),
  unrecovered: sum(({ unrecovered }) => unrecovered),
  missing: sum(missingOf),
};
process.send?.(report);
await once(process, 'disconnect');
for (const client of clients) client.close();
process.exit(0);
