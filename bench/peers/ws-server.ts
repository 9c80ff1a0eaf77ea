/** What most start with: `ws`, and `send()` for each client. `node ws-server.ts <compress?> [cert key]` */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { createEventText } from '../load/event.ts';

const [deflate, cert, key] = process.argv.slice(2);
const http =
  cert === undefined || key === undefined
    ? createServer()
    : createTlsServer({ cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.3' });
const server = new WebSocketServer({ server: http, perMessageDeflate: deflate === 'true' });
const subscribers = new Map<string, Set<WebSocket>>();
const offsets = new Map<string, number>();

interface Message {
  readonly type: 'subscribe' | 'publish';
  readonly topics?: readonly string[];
  readonly id?: number;
  readonly topic?: string;
  readonly data?: unknown;
}

function subscribe(socket: WebSocket, topic: string): void {
  const known = subscribers.get(topic) ?? new Set();
  known.add(socket);
  subscribers.set(topic, known);
  socket.send(`{"type":"subscribed","topic":"${topic}"}`);
}

function publish(topic: string, data: unknown): void {
  const offset = (offsets.get(topic) ?? 0) + 1;
  offsets.set(topic, offset);
  const text = createEventText(topic, offset, JSON.stringify(data));
  for (const subscriber of subscribers.get(topic) ?? []) subscriber.send(text);
}

server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('close', () => {
    for (const known of subscribers.values()) known.delete(socket);
  });
  socket.on('message', (bytes) => {
    const { type, topics = [], id, topic = '', data } = JSON.parse(`${bytes}`) as Message;
    if (type === 'subscribe') for (const name of topics) subscribe(socket, name);
    else {
      publish(topic, data);
      socket.send(`{"type":"ok","id":${id}}`);
    }
  });
});

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(JSON.stringify({ port: (http.address() as AddressInfo).port }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
