/**
 * What `subscribers.c` does, for machines without a C compiler: the same options, commands and answers. It costs
 * several times as much, so the fastest servers wait for it. Read `subscribers.c` for what the options mean.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { cpuUsOf, rssKbOf } from '../server-process.ts';
import { percentile } from '../statistics.ts';
import { FrameSocket } from './frame-socket.ts';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', short: 'P', default: '0' },
    path: { type: 'string', short: 'p', default: '/' },
    clients: { type: 'string', short: 'n', default: '1000' },
    greeting: { type: 'string', short: 'g', multiple: true, default: [] },
    marker: { type: 'string', short: 'a', default: '' },
    markers: { type: 'string', short: 'A', default: '0' },
    resume: { type: 'string', short: 'R', default: '' },
    topics: { type: 'string', short: 'T', default: '1' },
    pid: { type: 'string', short: 'i', default: '0' },
    several: { type: 'boolean', short: 's', default: false },
    tls: { type: 'boolean', short: 't', default: false },
  },
});

const TOPICS = Number(options.topics);
const PID = Number(options.pid);
const endpoint = { port: Number(options.port), path: options.path, tls: options.tls };

const counted = () => ({
  deliveries: 0,
  bytes: 0,
  reads: 0,
  gaps: 0,
  repeats: 0,
  dropped: 0,
  lags: 0,
  errors: 0,
  unrecovered: 0,
  closed: 0,
});
let seen = counted();
let latenciesUs: number[] = [];
let since = performance.now();
let cpuBefore = 0;

class Client {
  readonly last: number[] = Array.from({ length: TOPICS }, () => 0);
  readonly ready: Promise<void>;
  #isReady: () => void = () => {};
  #acks = 0;
  #epoch = '';
  #lossAnnounced = false;
  #target = 0;
  #onReached: (() => void) | undefined;
  #socket: FrameSocket | undefined;

  constructor() {
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
  }

  async open(greetings: readonly string[]): Promise<void> {
    this.#socket = await FrameSocket.connect(endpoint, (text) => this.#take(text.toString('latin1')), {
      onEnd: () => seen.closed++,
    });
    if (greetings.length > 0) this.#socket.send(greetings);
    if (options.markers === '0') this.#isReady();
  }

  cut(): void {
    this.#socket?.close();
  }

  async resume(target: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#onReached = resolve;
    });
    this.#target = target;
    await this.open([options.resume.replace('@', `${this.#epoch}:${this.last[0]}`)]);
    if ((this.last[0] ?? 0) < target) await reached;
  }

  #take(text: string): void {
    seen.reads++;
    seen.bytes += text.length;
    let at = text.indexOf('"offset":');
    if (at === -1) this.#onOther(text);
    for (let from = 0; at !== -1; at = options.several ? text.indexOf('"offset":', at + 1) : -1) {
      this.#onEvent(text.slice(from), at - from);
      from = at;
    }
  }

  #onEvent(text: string, at: number): void {
    const offset = Number.parseInt(text.slice(at + 9, at + 25), 10);
    const topic = TOPICS === 1 ? 0 : Number(/"topic":"[^"]*-(\d+)"/.exec(text)?.[1] ?? 0);
    const last = this.last[topic] ?? 0;
    seen.deliveries++;
    if (last > 0 && offset > last + 1) {
      if (this.#lossAnnounced) seen.dropped += offset - last - 1;
      else seen.gaps++;
    }
    this.#lossAnnounced = false;
    if (last > 0 && offset <= last) seen.repeats++;
    else this.last[topic] = offset;
    this.#epoch ||= /"epoch":"([^"]*)"/.exec(text)?.[1] ?? '';
    if (offset >= this.#target) this.#onReached?.();
    if (seen.deliveries % 7 !== 0) return;
    const sentUs = Number(/"t":(\d+)/.exec(text.slice(at))?.[1]);
    latenciesUs.push(Math.max(0, (performance.timeOrigin + performance.now()) * 1000 - sentUs));
  }

  #onOther(text: string): void {
    if (text === '2') this.#socket?.send(['3']);
    if (text.includes('PING\r\n')) this.#socket?.send(['PONG\r\n']);
    if (text.includes('"recovered":false')) seen.unrecovered++;
    if (text.includes('"type":"dropped"')) this.#lossAnnounced = true;
    if (text.includes('"type":"lag"')) seen.lags++;
    if ((text.includes('"type":"error"') || text.includes('-ERR')) && seen.errors++ === 0)
      console.error(text);
    if (options.marker !== '' && text.includes(options.marker) && ++this.#acks === Number(options.markers))
      this.#isReady();
  }
}

const clients = Array.from({ length: Number(options.clients) }, () => new Client());

async function mark(): Promise<object> {
  const cpu = PID === 0 ? 0 : await cpuUsOf(PID);
  const now = performance.now();
  const figures = {
    seconds: (now - since) / 1000,
    ...seen,
    cpuUs: cpu - cpuBefore,
    rssKb: PID === 0 ? 0 : await rssKbOf(PID),
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
    maxUs: percentile(latenciesUs, 1),
  };
  seen = counted();
  latenciesUs = [];
  since = now;
  cpuBefore = cpu;
  return figures;
}

function heads(): object {
  const lowAndHigh = (topic: number) => {
    const offsets = clients.map(({ last }) => last[topic] ?? 0);
    return [Math.min(...offsets), Math.max(...offsets)];
  };
  return { heads: Array.from({ length: TOPICS }, (_, topic) => lowAndHigh(topic)) };
}

async function resume(target: number): Promise<object> {
  const begun = performance.now();
  const took = await Promise.all(
    clients.map((client) => client.resume(target).then(() => performance.now() - begun)),
  );
  return {
    resumed: clients.length,
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    maxMs: percentile(took, 1),
  };
}

async function obey(line: string): Promise<object> {
  if (line === 'mark') return mark();
  if (line === 'heads') return heads();
  if (line === 'cut') {
    for (const client of clients) client.cut();
    return { cut: clients.length };
  }
  if (line.startsWith('resume ')) return resume(Number(line.slice('resume '.length)));
  throw new Error(`unknown command ${line}`);
}

for (const [number, client] of clients.entries())
  await client.open(options.greeting.map((frame) => frame.replace('#', `${number}`)));
await Promise.all(clients.map(({ ready }) => ready));
console.log(JSON.stringify({ ready: clients.length, connectMs: performance.now() - since }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break;
  console.log(JSON.stringify(await obey(line)));
}
process.exit(0);
