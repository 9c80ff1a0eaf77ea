/**
 * Durable appends, in-process, through the engine interface: many publishers, each of whom waits for its
 * acknowledgement before it publishes again. Then the same while readers replay history.
 *
 *   node --conditions=source bench/append.ts [--topics 50,1000] [--publishers 1000] [--seconds 5] [--rounds 3]
 *     [--readers 100] [--replay 1000] [--keep 100000] [--json]
 *
 * Loss and order are checked in every round: what was acknowledged is read back.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock, systemTurns } from '../packages/server/src/clock.ts';
import type { Engine } from '../packages/server/src/engine/engine.ts';
import { createSqliteEngine } from '../packages/server/src/engine/sqlite-engine.ts';

const { values: options } = parseArgs({
  options: {
    topics: { type: 'string', default: '50,1000' },
    publishers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    readers: { type: 'string', default: '100' },
    replay: { type: 'string', default: '1000' },
    /** Events kept of a topic: with a small number, retention has to delete as fast as publishers append. */
    keep: { type: 'string', default: '100000' },
    /** Where the data folders are made: the disk that is measured. */
    directory: { type: 'string', default: import.meta.dirname },
    json: { type: 'boolean', default: false },
  },
});

const PUBLISHERS = Number(options.publishers);
const SECONDS = Number(options.seconds);
const READERS = Number(options.readers);
const REPLAY_EVENTS = Number(options.replay);
const PAGE_EVENTS = 250;
const WARM_UP_MS = 1000;
const ENTITY = 'bench';
/** 240 bytes of JSON. */
const DATA = JSON.stringify({ task_id: 'compile', progress: 50, message: 'x'.repeat(192) });

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface Round {
  readonly topics: number;
  readonly appendsPerSecond: number;
  readonly ackMs: Percentiles;
  /** Of all threads, publishers included: says what an append costs also on a machine that others use. */
  readonly cpuMicrosPerAppend: number;
  readonly appendsPerSecondWithReaders: number;
  readonly ackMsWithReaders: Percentiles;
  /** One page of a replay. */
  readonly pageMs: Percentiles;
  /** A whole replay of one reader. */
  readonly replayMs: Percentiles;
  readonly fsyncMs: Percentiles;
}

function percentiles(samples: number[]): Percentiles {
  const sorted = Float64Array.from(samples).sort();
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const topicName = (n: number) => `task.bench-${n}`;

/** Runs until told to stop; counts and times what happens after the warm-up. */
class Load {
  readonly #engine: Engine;
  readonly #topics: number;
  readonly #acked: Float64Array;
  latencies: number[] = [];
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(engine: Engine, topics: number) {
    this.#engine = engine;
    this.#topics = topics;
    this.#acked = new Float64Array(topics);
  }

  start(): void {
    this.#running = Array.from({ length: PUBLISHERS }, (_, n) => this.#publish(n));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Everything acknowledged is in the log, in order. */
  async check(): Promise<void> {
    for (let n = 0; n < this.#topics; n++) {
      const head = await this.#engine.head(ENTITY, topicName(n));
      if ((head?.position.offset ?? 0) !== this.#acked[n])
        throw new Error(`topic ${n}: acknowledged events are missing`);
    }
    const page = await this.#engine.read(ENTITY, topicName(0), { last: 10_000 }, { maxEvents: 10_000 });
    if (!page.ok) throw new Error(page.reason);
    page.events.forEach((event, index) => {
      if (event.offset !== (page.events[0]?.offset ?? 0) + index)
        throw new Error('offsets are not contiguous');
    });
  }

  async #publish(publisher: number): Promise<void> {
    let n = publisher;
    while (!this.#stopped) {
      const topic = n++ % this.#topics;
      const begun = performance.now();
      const [result] = await this.#engine.append([
        { entity: ENTITY, topic: topicName(topic), event: 'task.progress', data: DATA },
      ]);
      if (result?.status !== 'stored') throw new Error(`an append was ${JSON.stringify(result)}`);
      this.#acked[topic] = (this.#acked[topic] ?? 0) + 1;
      this.latencies.push(performance.now() - begun);
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Measured {
  readonly perSecond: number;
  readonly latencies: Percentiles;
  readonly cpuMicros: number;
}

async function measure(load: Load): Promise<Measured> {
  load.latencies = [];
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  await pause(SECONDS * 1000);
  const seconds = (performance.now() - begun) / 1000;
  const samples = load.latencies;
  load.latencies = [];
  const cpu = process.cpuUsage(cpuBefore);
  return {
    perSecond: Math.round(samples.length / seconds),
    latencies: percentiles(samples),
    cpuMicros: round((cpu.user + cpu.system) / samples.length),
  };
}

/** One reader after the other's end begins anew, so that as many as asked for are always reading. */
async function replay(
  engine: Engine,
  topics: number,
  stopped: () => boolean,
  pages: number[],
  replays: number[],
): Promise<void> {
  while (!stopped()) {
    const topic = topicName(Math.floor(Math.random() * topics));
    const head = await engine.head(ENTITY, topic);
    if (head === undefined) throw new Error(`${topic} is not there`);
    const begun = performance.now();
    let position = { epoch: head.position.epoch, offset: Math.max(0, head.position.offset - REPLAY_EVENTS) };
    for (let left = Math.min(REPLAY_EVENTS, head.position.offset); left > 0; ) {
      const asked = performance.now();
      const page = await engine.read(
        ENTITY,
        topic,
        { after: position },
        { maxEvents: Math.min(left, PAGE_EVENTS) },
      );
      pages.push(performance.now() - asked);
      if (!page.ok) throw new Error(page.reason);
      if (page.events[0]?.offset !== position.offset + 1) throw new Error('a replay has a gap');
      position = page.position;
      left -= page.events.length;
    }
    replays.push(performance.now() - begun);
    // A client reads, then does something else: one replay a second each.
    await pause(Math.max(0, 1000 - (performance.now() - begun)));
  }
}

/** What one small write and its sync cost here, with nothing in between. */
function measureFsync(directory: string): Percentiles {
  const file = openSync(join(directory, 'fsync'), 'w');
  const block = Buffer.alloc(64 * 1024, 1);
  const samples: number[] = [];
  for (let i = 0; i < 300; i++) {
    const begun = performance.now();
    writeSync(file, block, 0, block.length, i * block.length);
    fdatasyncSync(file);
    samples.push(performance.now() - begun);
  }
  closeSync(file);
  return percentiles(samples);
}

async function run(topics: number): Promise<Round> {
  const directory = mkdtempSync(join(options.directory, '.append-'));
  try {
    const fsyncMs = measureFsync(directory);
    const engine = await createSqliteEngine({
      directory: join(directory, 'data'),
      clock: systemClock,
      turns: systemTurns,
      retention: () => ({ maxEvents: Number(options.keep) }),
      onError: (error) => {
        throw error;
      },
    });
    const load = new Load(engine, topics);
    load.start();
    await pause(WARM_UP_MS);
    const alone = await measure(load);
    let stopped = false;
    const pages: number[] = [];
    const replays: number[] = [];
    const readers = Array.from({ length: READERS }, async () => {
      await pause(Math.random() * 1000);
      await replay(engine, topics, () => stopped, pages, replays);
    });
    await pause(WARM_UP_MS);
    pages.length = 0;
    replays.length = 0;
    const together = await measure(load);
    stopped = true;
    await Promise.all(readers);
    await load.stop();
    await load.check();
    await engine.close();
    return {
      topics,
      appendsPerSecond: alone.perSecond,
      ackMs: alone.latencies,
      cpuMicrosPerAppend: alone.cpuMicros,
      appendsPerSecondWithReaders: together.perSecond,
      ackMsWithReaders: together.latencies,
      pageMs: percentiles(pages),
      replayMs: percentiles(replays),
      fsyncMs,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function show(title: string, { p50, p99, max }: Percentiles): string {
  return `${title} p50 ${p50} p99 ${p99} max ${max} ms`;
}

const rounds: Round[] = [];
for (let i = 0; i < Number(options.rounds); i++) {
  for (const topics of options.topics.split(',').map(Number)) {
    const result = await run(topics);
    rounds.push(result);
    if (options.json) continue;
    console.log(`${topics} topics, ${PUBLISHERS} publishers`);
    console.log(
      `  alone:      ${result.appendsPerSecond}/s, ${show('ack', result.ackMs)}, ${result.cpuMicrosPerAppend} µs CPU each`,
    );
    console.log(
      `  ${READERS} readers: ${result.appendsPerSecondWithReaders}/s, ${show('ack', result.ackMsWithReaders)}`,
    );
    console.log(
      `  ${show('page', result.pageMs)}; ${show('replay', result.replayMs)}; ${show('fsync', result.fsyncMs)}`,
    );
  }
}
if (options.json) console.log(JSON.stringify({ node: process.version, publishers: PUBLISHERS, rounds }));
