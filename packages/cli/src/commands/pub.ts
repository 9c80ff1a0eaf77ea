import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, PublishResult } from '@millrace/client';
import { PRIORITIES, type Priority } from '@millrace/protocol';
import { InFlight } from '@millrace/server/process';
import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { type ConnectionFlags, connect, findTarget } from '../connection.ts';
import { addConnectionOptions } from '../connection-options.ts';
import { EXIT } from '../exit-code.ts';
import { onceStopped } from '../interruption.ts';
import { positiveInteger, positiveNumber, topic } from '../option-values.ts';
import { complain, say, setQuiet, showProgress } from '../status.ts';
import { exitOnBrokenPipe, writeOut } from '../stdout.ts';
import { fillTemplate } from '../template.ts';

interface PubFlags extends ConnectionFlags {
  readonly count?: number;
  readonly rate?: number;
  readonly key?: string;
  readonly source?: string;
  readonly priority?: Priority;
  readonly seal?: true;
  readonly json?: true;
  readonly quiet?: true;
}

/** Unanswered publications: enough to fill group commits, few enough to tell soon when something is wrong. */
const MAX_IN_FLIGHT = 500;

function parseData(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${where} is not JSON: ${(cause as Error).message}`, EXIT.usage, { cause });
  }
}

function* fromTemplate(template: string, count: number): Generator<unknown> {
  for (let i = 1; i <= count; i++) {
    const values = { i, now: new Date().toISOString(), random: Math.random() };
    yield parseData(fillTemplate(template, values), 'the data');
  }
}

async function* fromStdin(signal: AbortSignal): AsyncGenerator<unknown> {
  let line = 0;
  for await (const text of createInterface({
    input: process.stdin,
    crlfDelay: Number.POSITIVE_INFINITY,
    signal,
  })) {
    line++;
    if (text.trim() !== '') yield parseData(text, `line ${line} of the input`);
  }
}

interface Entry {
  readonly data: unknown;
  readonly last: boolean;
}

/** Tells the last one, for which each has to wait for the next: only where the last one is to be sealed. */
async function* withLast(values: AsyncIterable<unknown>): AsyncGenerator<Entry> {
  let held: { readonly data: unknown } | undefined;
  for await (const data of values) {
    if (held !== undefined) yield { ...held, last: false };
    held = { data };
  }
  if (held !== undefined) yield { ...held, last: true };
}

async function* readEntries(
  json: string | undefined,
  flags: PubFlags,
  signal: AbortSignal,
): AsyncGenerator<Entry> {
  async function* values(): AsyncGenerator<unknown> {
    if (json === '-') yield* fromStdin(signal);
    else yield* fromTemplate(json ?? 'null', flags.count ?? 1);
  }
  if (flags.seal) yield* withLast(values());
  else for await (const data of values()) yield { data, last: false };
}

async function sleepUntil(time: number, signal: AbortSignal): Promise<void> {
  const ms = time - performance.now();
  // When it is stopped, so is the sleep.
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => {});
}

interface PublicationOptions {
  readonly client: Client;
  readonly topic: string;
  readonly event: string;
  readonly flags: PubFlags;
  /** Ends the input; what was sent is waited for. */
  readonly stop: AbortController;
}

class Publication {
  readonly #client: Client;
  readonly #topic: string;
  readonly #event: string;
  readonly #flags: PubFlags;
  readonly #stop: AbortController;
  readonly #inFlight = new InFlight(MAX_IN_FLIGHT);
  #sent = 0;
  #stored = 0;
  #newest: PublishResult | undefined;

  constructor({ client, topic, event, flags, stop }: PublicationOptions) {
    this.#client = client;
    this.#topic = topic;
    this.#event = event;
    this.#flags = flags;
    this.#stop = stop;
  }

  /** Publishes everything, or all until it is stopped; stops at the first failure and throws it. */
  async run(entries: AsyncIterable<Entry>): Promise<void> {
    const { signal } = this.#stop;
    const startedAt = performance.now();
    const { rate, count } = this.#flags;
    const total = count === undefined ? '' : ` of ${count}`;
    const progress = showProgress(() => {
      const perSecond = Math.round((this.#stored * 1000) / (performance.now() - startedAt));
      return `${this.#stored}${total} events stored (${perSecond}/s)`;
    });
    try {
      for await (const entry of entries) {
        if (rate !== undefined) await sleepUntil(startedAt + (this.#sent * 1000) / rate, signal);
        if (this.#inFlight.full) await this.#inFlight.room();
        if (signal.aborted) break;
        this.#sent++;
        this.#inFlight.add(this.#publish(entry).catch((error: unknown) => this.#fail(error)));
      }
    } finally {
      await this.#inFlight.settled();
      progress.stop();
    }
    const { failure } = this.#inFlight;
    if (failure !== undefined) {
      if (this.#sent > 1) complain(`${this.#stored} of ${this.#sent} events were stored; then:`);
      throw failure.error;
    }
    this.#sayResult();
  }

  async #publish({ data, last }: Entry): Promise<void> {
    const { key, source, priority, json } = this.#flags;
    const options = { key, source, priority, seal: last };
    const result = await this.#client.publish(this.#topic, this.#event, data, options);
    this.#stored++;
    this.#newest = result;
    if (json) await writeOut(`${JSON.stringify(result)}\n`);
  }

  #fail(error: unknown): never {
    // The next line of the input may be long in coming.
    this.#stop.abort();
    throw error;
  }

  #sayResult(): void {
    if (this.#newest === undefined) {
      say('nothing was published');
      return;
    }
    const { topic, epoch, offset } = this.#newest;
    say(`stored ${this.#stored} event${this.#stored === 1 ? '' : 's'} in ${topic}, up to ${epoch}:${offset}`);
  }
}

async function publish(
  name: string,
  event: string,
  json: string | undefined,
  flags: PubFlags,
): Promise<void> {
  setQuiet(flags.quiet === true);
  if (json === '-' && flags.count !== undefined) {
    throw new CliError('--count repeats a template; with "-" each line is one event', EXIT.usage);
  }
  // Wrong data is told before a server is asked for.
  if (json !== undefined && json !== '-') fromTemplate(json, 1).next();
  exitOnBrokenPipe();
  const client = await connect(await findTarget(flags, 'publisher'));
  const stop = new AbortController();
  onceStopped(() => stop.abort());
  try {
    const entries = readEntries(json, flags, stop.signal);
    await new Publication({ client, topic: name, event, flags, stop }).run(entries);
  } finally {
    client.close();
  }
}

export function addPub(program: Command): void {
  const command = program
    .command('pub')
    .description('Publish events, and wait until they are stored.')
    .argument('<topic>', 'where to: segments joined by dots, such as task.build-7', topic)
    .argument('<event>', 'the events’ name, such as task.progress')
    .argument(
      '[json]',
      'the data; "-" reads one JSON value a line from stdin; {{i}}, {{now}} and {{random}} are filled in',
    )
    .option('--count <n>', 'publish the template so many times', positiveInteger)
    .option('--rate <n/s>', 'at most so many events a second', positiveNumber)
    .option('--key <key>', 'the record that the events are new states of')
    .option('--source <source>', 'who or what publishes')
    .addOption(
      new Option('--priority <priority>', 'how urgently they are delivered').choices([...PRIORITIES]),
    )
    .option('--seal', 'close the topic with the (last) event')
    .option('--json', 'print the position of each stored event, as NDJSON')
    .option('-q, --quiet', 'no status on stderr');
  addConnectionOptions(command).action(publish);
}
