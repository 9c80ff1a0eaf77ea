import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Environment } from './environment.ts';
import { Subscribers } from './load/subscribers.ts';
import { compileNativeTools, type NativeTools } from './native-tools.ts';
import { findProblems } from './scenarios/fan-out.ts';

const NO_COMPILER = 'no-such-compiler';
let tools: NativeTools | undefined;

beforeAll(async () => {
  tools = await compileNativeTools();
}, 60_000);

afterAll(() => tools?.close());

async function bench(...args: string[]): Promise<string> {
  const options = ['--quick', '--scale', '0.01', '--seconds', '0.3'];
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=source',
    join(import.meta.dirname, 'main.ts'),
    ...args,
    ...options,
  ]);
  return stdout;
}

describe('a tiny run', () => {
  test('measures every kind of scenario without loss or disorder', { timeout: 120_000 }, async (context) => {
    if (tools === undefined)
      context.skip('NOT TESTED: there is no C compiler, or no OpenSSL and libc headers');
    const output = await bench(
      'fan-out-20',
      'fan-out-filtered',
      'slow-clients',
      'many-topics',
      'compression',
      'idle',
      'append-websocket',
      'resume-storm',
    );
    expect(output).not.toContain('FAILED RUN');
    expect(output).not.toContain('Target not measured');
    for (const side of [
      'floor (C)',
      'Millrace',
      'ws, send() each',
      'Socket.IO',
      'Millrace, durable',
      'Millrace, compressed',
    ])
      expect(output).toMatch(new RegExp(`^\\| ${side.replace(/[()]/g, '\\$&')} +\\| +[0-9]`, 'm'));
  });

  test('says loudly that there is no compiler, and measures all the same', { timeout: 60_000 }, async () => {
    const output = await bench('fan-out-20', 'resume-storm', '--cc', NO_COMPILER);
    expect(output).toContain(`NO C COMPILER (${NO_COMPILER})`);
    expect(output).toContain('**Left out: floor (C)**, because there is no C compiler.');
    expect(output).toMatch(/^\| Millrace +\| +[0-9]/m);
    expect(output).toMatch(/^\| Millrace, durable +\| +[0-9]/m);
  });

  test('names the scenarios when asked for one that is not there', async () => {
    await expect(bench('fan-in')).rejects.toThrow('There is no scenario fan-in. There are: fan-out-20');
  });
});

/** Sends these offsets to whoever connects, each as an event; `undefined` announces a loss. */
async function brokenServer(offsets: readonly (number | undefined)[]) {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on('connection', (socket: WebSocket) => {
    socket.send('{"type":"subscribed"}');
    for (const offset of offsets) {
      if (offset === undefined) socket.send('{"type":"dropped","topic":"bench.fan"}');
      else socket.send(`{"type":"event","topic":"bench.fan","offset":${offset},"data":{"t":1}}`);
    }
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    port: (http.address() as AddressInfo).port,
    close: () => {
      for (const socket of server.clients) socket.terminate();
      http.close();
    },
  };
}

const asIs = (command: string, args: readonly string[]) => ({ command, args });

describe.each(['native', 'Node'] as const)('the %s subscribers', (kind) => {
  async function marksOf(offsets: readonly (number | undefined)[]) {
    const server = await brokenServer(offsets);
    const environment: Environment = {
      cores: { description: 'as they come', forServer: asIs, forLoad: asIs, anywhere: asIs },
      tools: kind === 'native' ? tools : undefined,
      certificate: undefined,
      rounds: 1,
      warmUpMs: 1,
      measureMs: 1,
      scale: 1,
    };
    const peer = {
      pid: process.pid,
      port: server.port,
      path: '/',
      greetings: [],
      ready: { marker: '"type":"subscribed"', times: 1 },
      close: async () => {},
    };
    const subscribers = await Subscribers.open(peer, { subscribers: 3, topics: 1 }, environment);
    try {
      const last = offsets.at(-1) ?? 0;
      while ((await subscribers.heads()).some(([low]) => low < last));
      return await subscribers.mark();
    } finally {
      await subscribers.close();
      server.close();
    }
  }

  test('see gaps and repeats, which fail a run', async (context) => {
    if (kind === 'native' && tools === undefined) context.skip('NOT TESTED: there is no C compiler');
    const marked = await marksOf([1, 2, 4, 4, 5]);
    expect(marked).toMatchObject({ deliveries: 15, gaps: 3, repeats: 3, dropped: 0 });
    expect(findProblems([marked])).toEqual([
      '3 gaps that nobody announced',
      '3 repeated or reordered events',
    ]);
  });

  test('count what was announced as dropped, which does not', async (context) => {
    if (kind === 'native' && tools === undefined) context.skip('NOT TESTED: there is no C compiler');
    const marked = await marksOf([1, undefined, 4, 5]);
    expect(marked).toMatchObject({ deliveries: 9, gaps: 0, repeats: 0, dropped: 6 });
    expect(findProblems([marked])).toEqual([]);
  });
});
