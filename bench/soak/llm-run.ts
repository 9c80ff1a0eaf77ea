import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerOptions } from '@millrace/server';
import { Child } from '../child.ts';
import type { Cores } from '../cores.ts';
import { pause } from '../environment.ts';
import { cpuUsOf } from '../server-process.ts';
import type { PublishersOrder } from './llm-publishers.ts';
import type { Seen, ViewersOrder } from './llm-viewers.ts';

export interface LlmRunOptions {
  readonly cores: Cores;
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

export interface LlmFigures extends Seen {
  readonly mode: LlmRunOptions['mode'];
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
  const children: Child[] = [];
  const start = (child: Child): Child => {
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
  start: (child: Child) => Child,
): Promise<LlmFigures> {
  const { mode, streams, tokensPerSecond, viewersPerStream, cores } = options;
  const load = (file: string, ...args: string[]): Child =>
    start(new Child({ ...cores.forLoad(process.execPath, nodeArgs(file, args)), name: file }));
  const provider = mode === 'server' ? load('llm-provider.ts', `${tokensPerSecond}`) : undefined;
  const baseUrl = provider === undefined ? undefined : (await provider.read<{ url: string }>()).url;
  const server = start(serverOf(options, directory, baseUrl));
  const { port, token } = await server.read<{ port: number; token: string }>();
  const topics = Array.from({ length: streams }, (_, i) => `chat.${i}`);
  const order: ViewersOrder = { port, token, topics, viewersPerTopic: viewersPerStream };
  const viewers = load('llm-viewers.ts', JSON.stringify(order));
  await viewers.read();
  const url = `http://127.0.0.1:${port}`;
  const source =
    provider ?? (await startPublishers({ url, token, streams, tokensPerSecond, clients: 10 }, load));
  if (provider !== undefined) await Promise.all(topics.map((_, i) => ask(url, token, `${i}`)));

  await pause(options.warmUpMs);
  await viewers.ask('begin');
  const before = (await source.ask<{ sent: number }>('')).sent;
  const loadUs = async () => (await cpuUsOf(viewers.pid)) + (await cpuUsOf(source.pid));
  const cpuBefore = await cpuUsOf(server.pid);
  const loadBefore = await loadUs();
  await pause(options.measureMs);
  const cpuUs = (await cpuUsOf(server.pid)) - cpuBefore;
  const loadCpuUs = (await loadUs()) - loadBefore;
  const { sent } = await source.ask<{ sent: number }>('');
  const seen = await viewers.ask<Seen>('figures');
  // Who is still shown tokens takes long to end.
  await source.close();
  return {
    mode,
    ...seen,
    receivedShare: seen.tokens / ((sent - before) * viewersPerStream),
    serverCpu: cpuUs / 1e6 / seen.seconds,
    loadCpu: loadCpuUs / 1e6 / seen.seconds,
  };
}

function nodeArgs(file: string, args: readonly string[]): string[] {
  return ['--conditions=source', join(import.meta.dirname, file), ...args];
}

function serverOf(
  { cores, streams, profileDirectory }: LlmRunOptions,
  directory: string,
  baseUrl: string | undefined,
): Child {
  const options: ServerOptions = {
    data: { directory },
    llm: {
      maxStreams: streams,
      maxStreamsPerUser: streams,
      ...(baseUrl !== undefined && { providers: { local: { baseUrl, model: 'bench' } } }),
    },
  };
  const profiling =
    profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
  const args = nodeArgs('../peers/millrace-server.ts', [JSON.stringify(options)]);
  // As the command `millrace` starts itself.
  const command = cores.forServer(process.execPath, ['--max-semi-space-size=8', ...profiling, ...args]);
  return new Child({ ...command, name: 'the server' });
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
