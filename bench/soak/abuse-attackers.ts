import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../statistics.ts';
import type { AttackOrder, FloodReport, Stall, StallReport } from './abuse-orders.ts';

/** Connections opened in one go, and how often. */
const GO = 100;
const GO_EVERY_MS = 50;

const [port, address, token] = process.argv.slice(2) as [string, string, string];

function open(): Socket {
  const tcp = connect({ port: Number(port), host: '127.0.0.1', localAddress: address });
  tcp.setNoDelay(true);
  tcp.on('error', () => {});
  tcp.resume();
  return tcp;
}

function upgrade(query: string): string {
  const headers = [
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  ];
  return `GET /ws${query} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
}

/** A text frame that is masked with zeros. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** The first bytes of a frame of 100. */
const HALF_FRAME = Buffer.from([0x81, 0x80 | 100, 0, 0, 0, 0, 0x7b, 0x22]);

function behave(tcp: Socket, stall: Stall): void {
  switch (stall) {
    case 'half-open':
      return;
    case 'slow-header': {
      const text = upgrade('');
      let sent = 0;
      const timer = setInterval(() => tcp.write(text.charAt(sent++)), 1000);
      tcp.once('close', () => clearInterval(timer));
      return;
    }
    case 'unauthenticated':
      tcp.write(upgrade(''));
      return;
    case 'mid-frame before the token':
      tcp.write(upgrade(''));
      tcp.write(HALF_FRAME);
      return;
    case 'mid-frame':
      tcp.write(upgrade(`?token=${token}`));
      tcp.write(HALF_FRAME);
      return;
  }
}

async function stallConnections(order: AttackOrder & { attack: 'stall' }): Promise<StallReport> {
  const lasted: number[] = [];
  const sockets: Socket[] = [];
  let opened = 0;
  for (let i = 0; i < order.count; i++) {
    const tcp = open();
    sockets.push(tcp);
    tcp.once('connect', () => {
      opened++;
      const since = performance.now();
      tcp.once('close', () => lasted.push(performance.now() - since));
      behave(tcp, order.stall);
    });
    if (i % GO === GO - 1) await pause(GO_EVERY_MS);
  }
  const deadline = performance.now() + order.patienceMs;
  while (performance.now() < deadline && sockets.some(({ closed }) => !closed)) await pause(50);
  const left = sockets.filter(({ closed }) => !closed).length;
  for (const tcp of sockets) tcp.destroy();
  return {
    opened,
    lastedMs: { median: Math.round(percentile(lasted, 0.5)), max: Math.round(Math.max(0, ...lasted)) },
    left,
  };
}

async function flood({ perSecond, forMs }: AttackOrder & { attack: 'flood' }): Promise<FloodReport> {
  const tcp = open();
  const received: Buffer[] = [];
  tcp.on('data', (chunk: Buffer) => received.push(chunk));
  const begun = performance.now();
  let cutAfterMs = Number.NaN;
  tcp.once('close', () => {
    cutAfterMs = Math.round(performance.now() - begun);
  });
  tcp.write(upgrade(`?token=${token}`));
  const frame = textFrame('{"type":"ping","id":1}');
  let sent = 0;
  while (!tcp.closed && performance.now() - begun < forMs) {
    const due = Math.floor(((performance.now() - begun) / 1000) * perSecond);
    if (due > sent) tcp.write(Buffer.concat(new Array<Buffer>(due - sent).fill(frame)));
    sent = Math.max(sent, due);
    await pause(5);
  }
  tcp.destroy();
  const closeCode = closeCodeIn(Buffer.concat(received));
  const attempts: Record<string, number> = {};
  while (performance.now() - begun < forMs) {
    const status = await statusOf();
    attempts[status] = (attempts[status] ?? 0) + 1;
    await pause(10);
  }
  return { sent, cutAfterMs, closeCode, attempts };
}

/** The number of the close frame in what a server sent, none of which is masked. */
function closeCodeIn(bytes: Buffer): number | undefined {
  let at = bytes.indexOf('\r\n\r\n') + 4;
  while (at + 2 <= bytes.length) {
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const start = at + (short < 126 ? 2 : 4);
    if (bytes[at] === 0x88) return bytes.readUInt16BE(start);
    at = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
  }
  return undefined;
}

async function statusOf(): Promise<string> {
  const tcp = open();
  tcp.write(upgrade(`?token=${token}`));
  const chunk = await new Promise<Buffer | undefined>((resolve) => {
    tcp.once('data', resolve);
    tcp.once('close', () => resolve(undefined));
  });
  tcp.destroy();
  return chunk?.toString('latin1').split(' ', 2)[1] ?? 'none';
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as AttackOrder;
  const report = order.attack === 'stall' ? await stallConnections(order) : await flood(order);
  console.log(JSON.stringify(report));
}
