import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Role } from '@millrace/protocol';
import { signToken, systemClock } from '@millrace/server';
import { WebSocket } from 'ws';
import { Child } from '../child.ts';
import { rssKbOf } from '../server-process.ts';
import { percentile } from '../statistics.ts';
import { BOMBS } from './abuse-bombs.ts';
import { type AttackOrder, type FloodReport, STALLS, type Stall, type StallReport } from './abuse-orders.ts';

export interface AbuseOptions {
  /** Of each kind that stalls. */
  readonly attackers: number;
  /** How often all kinds are run; the first time warms the server up. */
  readonly rounds: number;
  /** How long a stalled connection may last. */
  readonly timeoutMs: number;
  readonly floodPerSecond: number;
  readonly floodMs: number;
  readonly bombs: number;
  /** Gets a line for each figure. */
  readonly log: (line: object) => void;
}

/** How much longer a connection may last than its time: the check's interval, and a machine that is busy. */
const MARGIN_MS = 1000;
const MAX_CONNECT_MS = 500;
/** What the heap may hold more than before the attack, once garbage was collected. */
const MAX_HEAP_MB = 24;
/** By how much RSS may be above what it was. */
const MAX_RSS_MB = 48;
/** The same while bombs fall: before garbage was collected. */
const MAX_BOMB_RSS_MB = 160;
const PROBE_EVERY_MS = 20;
const SUBSCRIBERS = 20;
const EVENTS_EVERY_MS = 20;
const SECRET = 'the soak test signs its own tokens with this';

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const NODE = ['--conditions=source', '--expose-gc'];

function tokenOf(userId: string, role: Role): Promise<string> {
  const key = { alg: 'HS256', secret: SECRET } as const;
  return signToken({ key, userId, roles: [role], ttlMs: 7_200_000, clock: systemClock });
}

interface Memory {
  readonly heapKb: number;
  readonly rssKb: number;
}

/** A server under attack. Returns which bounds were missed, in words. */
export async function runAbuse(options: AbuseOptions): Promise<string[]> {
  const { log } = options;
  const missed: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) missed.push(what);
  };
  const timeout = `${options.timeoutMs}ms` as const;
  const serverOptions = {
    auth: { secret: SECRET },
    limits: { maxConnections: 2 * options.attackers + 1000, authTimeout: timeout, messageTimeout: timeout },
  };
  const server = new Child({
    name: 'the server',
    command: process.execPath,
    args: [...NODE, pathOf('./abuse-server.ts'), JSON.stringify(serverOptions)],
  });
  try {
    const { port } = await server.read<{ port: number }>();
    const settled = async (): Promise<Memory> => {
      const { heapKb } = await server.ask<{ heapKb: number }>('settle');
      await pause(200);
      return { heapKb, rssKb: await rssKbOf(server.pid) };
    };
    let before = await settled();
    log({ before });
    for (let round = 0; round < options.rounds; round++) {
      for (const [index, stall] of STALLS.entries()) {
        const found = await attackAndProbe(
          port,
          { stall, address: `127.0.${round + 1}.${index + 1}` },
          options,
        );
        const memory = await settled();
        log({ round, stall, ...found, memory });
        expect(found.opened >= options.attackers, `${stall}: ${found.opened} connections came about`);
        expect(found.left === 0, `${stall}: ${found.left} were left`);
        const { max } = found.lastedMs;
        expect(max <= options.timeoutMs + MARGIN_MS, `${stall}: one lasted ${max} ms`);
        const { p99, failed } = found.honest;
        expect(p99 < MAX_CONNECT_MS, `${stall}: honest clients took ${p99} ms to connect (p99)`);
        expect(failed === 0, `${stall}: ${failed} honest clients could not connect`);
        const heapMb = Math.round((memory.heapKb - before.heapKb) / 1024);
        expect(heapMb <= MAX_HEAP_MB, `${stall}: the heap holds ${heapMb} MB more than before`);
        const rssMb = Math.round((memory.rssKb - before.rssKb) / 1024);
        if (round > 0) expect(rssMb <= MAX_RSS_MB, `${stall}: memory is ${rssMb} MB above what it was`);
      }
      // Freed pages that the C library keeps for next time: the first round makes them, and no later one may add to them.
      if (round === 0) before = { ...before, rssKb: (await settled()).rssKb };
    }
    const flood = await floodAndListen(port, options);
    log({ flood });
    expect(flood.closeCode === 4505, `the flood was closed with ${flood.closeCode}`);
    expect(flood.cutAfterMs < 2000, `the flood was cut after ${flood.cutAfterMs} ms`);
    expect(
      Object.keys(flood.attempts).join() === '429',
      `the banned user was answered ${JSON.stringify(flood.attempts)}`,
    );
    expect(flood.lost === 0, `${flood.lost} events did not reach the others`);
    const bound = Math.max(50, 3 * flood.calmP99Ms);
    expect(flood.p99Ms <= bound, `the others waited ${flood.p99Ms} ms (p99) during the flood`);
    missed.push(...(await dropBombs(port, server.pid, settled, options)));
  } finally {
    await server.close();
  }
  return missed;
}

async function attackAndProbe(
  port: number,
  { stall, address }: { stall: Stall; address: string },
  { attackers, timeoutMs }: AbuseOptions,
): Promise<
  StallReport & { honest: { p50: number; p99: number; max: number; failed: number; probes: number } }
> {
  const child = attackersOf(port, address, await tokenOf('stalling', 'observer'));
  const token = await tokenOf('honest', 'observer');
  const took: number[] = [];
  let failed = 0;
  let over = false;
  const probing = (async () => {
    const probes: Promise<void>[] = [];
    while (!over) {
      probes.push(
        connectMs(port, token).then(
          (ms) => void took.push(ms),
          () => void failed++,
        ),
      );
      await pause(PROBE_EVERY_MS);
    }
    await Promise.all(probes);
  })();
  const order: AttackOrder = { attack: 'stall', stall, count: attackers, patienceMs: timeoutMs + 10_000 };
  const report = await child.ask<StallReport>(JSON.stringify(order));
  over = true;
  await probing;
  await child.close();
  const at = (share: number): number => Math.round(percentile(took, share));
  return { ...report, honest: { p50: at(0.5), p99: at(0.99), max: at(1), failed, probes: took.length } };
}

/** From the first byte to `welcome`. */
function connectMs(port: number, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${token}`);
    socket.once('error', reject);
    socket.once('message', () => {
      resolve(performance.now() - begun);
      socket.close();
    });
  });
}

async function floodAndListen(
  port: number,
  { floodPerSecond, floodMs }: AbuseOptions,
): Promise<FloodReport & { calmP99Ms: number; p99Ms: number; lost: number }> {
  const took: number[] = [];
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, async () => {
      const socket = await openSocket(port, await tokenOf('listener', 'observer'));
      socket.on('message', (text: Buffer) => {
        const message = JSON.parse(text.toString()) as { type: string; data?: number };
        if (message.type === 'event' && message.data !== undefined)
          took.push(performance.now() - message.data);
      });
      socket.send('{"type":"subscribe","topic":"bench.calm"}');
      return socket;
    }),
  );
  const publisher = await openSocket(port, await tokenOf('publisher', 'publisher'));
  let published = 0;
  const publishFor = async (ms: number): Promise<void> => {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      published++;
      publisher.send(
        JSON.stringify({ type: 'publish', topic: 'bench.calm', event: 'x', data: performance.now() }),
      );
      await pause(EVENTS_EVERY_MS);
    }
  };
  await pause(200);
  await publishFor(floodMs);
  await pause(500);
  const calmP99Ms = Math.round(percentile(took, 0.99) * 10) / 10;
  const calm = took.splice(0).length;
  const child = attackersOf(port, '127.0.0.100', await tokenOf('flooding', 'member'));
  const order: AttackOrder = { attack: 'flood', perSecond: floodPerSecond, forMs: floodMs };
  const [report] = await Promise.all([child.ask<FloodReport>(JSON.stringify(order)), publishFor(floodMs)]);
  await pause(500);
  await child.close();
  for (const socket of [...subscribers, publisher]) socket.close();
  const lost = published * SUBSCRIBERS - calm - took.length;
  return { ...report, calmP99Ms, p99Ms: Math.round(percentile(took, 0.99) * 10) / 10, lost };
}

async function openSocket(port: number, token: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${token}`);
  await new Promise((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
  });
  return socket;
}

async function dropBombs(
  port: number,
  pid: number,
  settled: () => Promise<Memory>,
  { bombs, log }: AbuseOptions,
): Promise<string[]> {
  const missed: string[] = [];
  const token = await tokenOf('bomber', 'publisher');
  for (const { name, refusedWith, drop } of BOMBS) {
    await drop({ port, token });
    const { rssKb: beforeKb } = await settled();
    let peakKb = beforeKb;
    const answers: Record<string, number> = {};
    for (let i = 0; i < bombs; i++) {
      const answer = await drop({ port, token });
      answers[answer] = (answers[answer] ?? 0) + 1;
      peakKb = Math.max(peakKb, await rssKbOf(pid));
    }
    const { rssKb: afterKb } = await settled();
    log({ bomb: name, answers, beforeKb, peakKb, afterKb });
    if (Object.keys(answers).join() !== refusedWith)
      missed.push(`${name}: answered with ${JSON.stringify(answers)} instead of ${refusedWith}`);
    const roseMb = Math.round((peakKb - beforeKb) / 1024);
    if (roseMb > MAX_BOMB_RSS_MB) missed.push(`${name}: memory rose by ${roseMb} MB`);
    const stayedMb = Math.round((afterKb - beforeKb) / 1024);
    if (stayedMb > MAX_RSS_MB) missed.push(`${name}: ${stayedMb} MB stayed`);
  }
  return missed;
}

function attackersOf(port: number, address: string, token: string): Child {
  const args = [...NODE, pathOf('./abuse-attackers.ts'), String(port), address, token];
  return new Child({ name: 'the attackers', command: process.execPath, args });
}
