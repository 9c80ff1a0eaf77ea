import { createInterface } from 'node:readline';
import { FrameSocket } from '../load/frame-socket.ts';
import { agesIn, nowUs } from './llm-clock.ts';

/*
 * Viewers of answers, in a process of their own: each follows one conversation and notes how old every token is when it gets it. They
 * begin to count at a line `begin`, and answer the line `figures` with what they saw since. The argument is JSON.
 */

export interface ViewersOrder {
  readonly port: number;
  readonly token: string;
  readonly topics: readonly string[];
  readonly viewersPerTopic: number;
}

export interface Seen {
  readonly seconds: number;
  readonly tokens: number;
  readonly frames: number;
  readonly closed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const { port, token, topics, viewersPerTopic } = JSON.parse(process.argv[2] ?? '{}') as ViewersOrder;
/** Room for the ages of one measurement; what comes beyond is counted, not kept. */
const ages = new Float64Array(8_000_000);
let tokens = 0;
let frames = 0;
let closed = 0;
let sinceUs = nowUs();

const subscribed = Promise.withResolvers<void>();
let waiting = topics.length * viewersPerTopic;

function onAge(ageUs: number): void {
  if (tokens < ages.length) ages[tokens] = ageUs;
  tokens++;
}

function onFrame(frame: Buffer): void {
  frames++;
  if (waiting > 0 && frame.includes('"type":"subscribed"') && --waiting === 0) subscribed.resolve();
  agesIn(frame, nowUs(), onAge);
}

const endpoint = { port, path: `/ws?token=${token}` };
for (const topic of topics) {
  for (let i = 0; i < viewersPerTopic; i++) {
    const socket = await FrameSocket.connect(endpoint, onFrame, { onEnd: () => closed++ });
    socket.send([JSON.stringify({ type: 'subscribe', topic })]);
  }
}
await subscribed.promise;
console.log(JSON.stringify({ viewers: topics.length * viewersPerTopic }));

/** Sorting takes a while, in which nobody views: it is done after the measurement, never before it. */
function figures(): Seen {
  const kept = Array.from(ages.subarray(0, Math.min(tokens, ages.length))).sort((a, b) => a - b);
  const atMs = (share: number): number =>
    (kept[Math.min(kept.length - 1, Math.floor(kept.length * share))] ?? 0) / 1000;
  const seconds = (nowUs() - sinceUs) / 1e6;
  return { seconds, tokens, frames, closed, p50Ms: atMs(0.5), p99Ms: atMs(0.99), maxMs: atMs(1) };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'figures') console.log(JSON.stringify(figures()));
  else {
    tokens = 0;
    frames = 0;
    sinceUs = nowUs();
    console.log('{}');
  }
}
process.exit(0);
