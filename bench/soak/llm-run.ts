import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../child.ts';
import type { Cores } from '../cores.ts';
import { pause } from '../environment.ts';
import type { Marked } from '../load/subscribers.ts';
import type { NativeTools } from '../native-tools.ts';
import { cpuUsOf } from '../server-process.ts';
import type { PublishersOrder } from './llm-publishers.ts';
import { type ServedMillrace, startServe } from './serve.ts';

export interface LlmRunOptions {
  readonly cores: Cores;
  readonly tools: NativeTools;
  /** Who asks the provider: an application that publishes with the SDK, or the server. */
  readonly mode: 'sdk' | 'server';
  readonly streams: number;
  readonly tokensPerSecond: number;
  readonly viewersPerStream: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Where a CPU profile of the server goes. */
  readonly profileDirectory?: string | undefined;
}

export interface LlmFigures {
  readonly mode: LlmRunOptions['mode'];
  /** Deliveries a second. */
  readonly deliveries: number;
  /** How old tokens were when viewers got them. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Events that viewers missed or had twice, refusals, and connections that ended. */
  readonly faults: number;
  /** Of what was emitted while it was measured, times the viewers. */
  readonly receivedShare: number;
  /** Of one core, all threads of the server. */
  readonly serverCpu: number;
  /** Of the other core: near 1 it is the load that is late, not the server. */
  readonly loadCpu: number;
}

/** Streams of one mode, with their viewers, against a server of its own. */
export async function runLlm(options: LlmRunOptions): Promise<LlmFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-llm-'));
  const children: { close(): Promise<void> }[] = [];
  const start = <Started extends { close(): Promise<void> }>(child: Started): Started => {
    children.push(child);
    return child;
  };
  try {
    return await measure(options, directory, start);
  } finally {
    for (const child of children.reverse()) await child.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(
  options: LlmRunOptions,
  directory: string,
  start: <Started extends { close(): Promise<void> }>(child: Started) => Started,
): Promise<LlmFigures> {
  const { mode, streams, tokensPerSecond, viewersPerStream, cores } = options;
  const load = (file: string, ...args: string[]): Child =>
    start(new Child({ ...cores.forLoad(process.execPath, nodeArgs(file, args)), name: file }));
  const provider = mode === 'server' ? load('llm-provider.ts', `${tokensPerSecond}`) : undefined;
  const baseUrl = provider === undefined ? undefined : (await provider.read<{ url: string }>()).url;
  const server = start(await serve(options, directory, baseUrl));
  const { url, pid } = server;
  const token = await server.token('admin');
  const viewers = start(viewersOf(options, { port: Number(new URL(url).port), token, pid }));
  await viewers.read();
  const source =
    provider ?? (await startPublishers({ url, token, streams, tokensPerSecond, clients: 10 }, load));
  if (provider !== undefined) {
    await Promise.all(Array.from({ length: streams }, (_, i) => ask(url, token, `${i}`)));
  }

  await pause(options.warmUpMs);
  await viewers.ask('mark');
  const before = (await source.ask<{ sent: number }>('')).sent;
  const loadUs = async () => (await cpuUsOf(viewers.pid)) + (await cpuUsOf(source.pid));
  const loadBefore = await loadUs();
  await pause(options.measureMs);
  const loadCpuUs = (await loadUs()) - loadBefore;
  const { sent } = await source.ask<{ sent: number }>('');
  const { gaps, repeats, errors, closed, ...seen } = await viewers.ask<Marked & { tokens: number }>('mark');
  return {
    mode,
    deliveries: Math.round(seen.deliveries / seen.seconds),
    p50Ms: seen.p50Us / 1000,
    p99Ms: seen.p99Us / 1000,
    maxMs: seen.maxUs / 1000,
    faults: gaps + repeats + errors + closed,
    receivedShare: seen.tokens / ((sent - before) * viewersPerStream),
    serverCpu: seen.cpuUs / 1e6 / seen.seconds,
    loadCpu: loadCpuUs / 1e6 / seen.seconds,
  };
}

/** Each stream's viewers, which note how old every token is. */
function viewersOf(
  { cores, tools, streams, viewersPerStream }: LlmRunOptions,
  { port, token, pid }: { readonly port: number; readonly token: string; readonly pid: number },
): Child {
  const args = [
    ...['-P', `${port}`, '-p', `/ws?token=${token}`, '-n', `${streams * viewersPerStream}`, '-i', `${pid}`],
    ...['-g', '{"type":"subscribe","topic":"chat.#"}', '-m', `${streams}`],
    ...['-a', '"type":"subscribed"', '-A', '1', '-y'],
  ];
  return new Child({ ...cores.forLoad(tools.subscribers, args), name: 'the viewers' });
}

/** Four threads that collect the load's garbage would stop the viewers on their one core too. */
const LOAD_FLAGS = ['--single-threaded-gc', '--max-semi-space-size=32'];

function nodeArgs(file: string, args: readonly string[]): string[] {
  return [...LOAD_FLAGS, '--conditions=source', join(import.meta.dirname, file), ...args];
}

function serve(
  { cores, streams, profileDirectory }: LlmRunOptions,
  directory: string,
  baseUrl: string | undefined,
): Promise<ServedMillrace> {
  const providers = { local: { baseUrl, model: 'bench' } };
  return startServe({
    directory,
    place: cores.forServer,
    env: {
      // Its end interrupts all answers, each of which it would tell of.
      MILLRACE_LOG_LEVEL: 'error',
      MILLRACE_LLM_MAX_STREAMS: `${streams}`,
      MILLRACE_LLM_MAX_STREAMS_PER_USER: `${streams}`,
      ...(baseUrl !== undefined && { MILLRACE_LLM_PROVIDERS: JSON.stringify(providers) }),
      ...(profileDirectory !== undefined && {
        NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory}`,
      }),
    },
  });
}

async function startPublishers(
  order: PublishersOrder,
  load: (file: string, ...args: string[]) => Child,
): Promise<Child> {
  const publishers = load('llm-publishers.ts', JSON.stringify(order));
  await publishers.read();
  return publishers;
}

async function ask(url: string, token: string, conversation: string): Promise<void> {
  const response = await fetch(`${url}/api/v1/llm/stream`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Go on.', conversation_id: conversation }),
  });
  if (response.status !== 202) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}
