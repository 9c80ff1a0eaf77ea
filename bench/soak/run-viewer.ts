import { createHash, type Hash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { createClient } from '@millrace/client';
import { WebSocket } from 'ws';

/** What the soak test asks of one viewer. */
export interface ViewerOrder {
  readonly door: 'sdk' | 'sse' | 'bare';
  readonly url: string;
  readonly token: string;
  readonly topic: string;
  /** The connection is cut so often; 0: never. */
  readonly cutEveryMs: number;
}

/** What a viewer has seen when the topic is at its end. */
export interface ViewerReport {
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: number;
  readonly cuts: number;
  readonly gaps: number;
  readonly exitCode: number;
}

interface ToolData {
  readonly output?: string;
  readonly encoding?: 'base64';
  readonly is_stderr?: boolean;
  readonly exit_code?: number;
}

let bytes = 0;
let cuts = 0;
let gaps = 0;
const hashes: Readonly<Record<'stdout' | 'stderr', Hash>> = {
  stdout: createHash('sha256'),
  stderr: createHash('sha256'),
};

function see(
  event: string,
  { output = '', encoding, is_stderr: isStderr, exit_code: exitCode }: ToolData,
): void {
  if (event === 'tool.output') {
    const piece = Buffer.from(output, encoding ?? 'utf8');
    bytes += piece.length;
    hashes[isStderr ? 'stderr' : 'stdout'].update(piece);
  } else if (event === 'tool.completed' || event === 'tool.failed') {
    const report: ViewerReport = {
      stdout: hashes.stdout.digest('hex'),
      stderr: hashes.stderr.digest('hex'),
      bytes,
      cuts,
      gaps,
      exitCode: exitCode ?? -1,
    };
    process.send?.(report, () => process.exit(0));
  }
}

/** A way to the server that is cut again and again. */
async function cutWay(url: string, everyMs: number): Promise<string> {
  const { port } = new URL(url);
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connectTcp(Number(port), '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  setInterval(() => {
    if (sockets.size > 0) cuts++;
    for (const socket of sockets) socket.destroy();
  }, everyMs).unref();
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

async function viewBySdk({ url, token, topic }: ViewerOrder): Promise<void> {
  const client = createClient({ url, token });
  const subscription = client.topic(topic, { since: 'earliest' });
  subscription.on('gap', () => gaps++);
  for await (const { event, data } of subscription) see(event, data as ToolData);
}

function viewByBareSocket({ url, token, topic }: ViewerOrder): void {
  const path = topic.replaceAll('.', '/');
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/${path}?since=earliest&token=${token}`);
  socket.on('message', (text) => {
    const { type, ...data } = JSON.parse(String(text)) as ToolData & { readonly type: string };
    if (type === 'error' || type === 'dropped') gaps++;
    see(type, data);
  });
  socket.on('close', () => gaps++);
}

/** As a browser's EventSource does: comes back with the last id that a whole event had. */
function viewByEvents(order: ViewerOrder, lastId: string | undefined): void {
  const { url, token, topic } = order;
  const again = (): void => {
    setTimeout(() => viewByEvents(order, lastId), 20);
  };
  const request = get(
    `${url}/events?topics=${topic}${lastId === undefined ? '&since=earliest' : ''}`,
    {
      headers: {
        authorization: `Bearer ${token}`,
        ...(lastId !== undefined && { 'last-event-id': lastId }),
      },
    },
    (response: IncomingMessage) => {
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) lastId = seeBlock(block) ?? lastId;
      });
      response.on('close', again);
      response.on('error', () => {});
    },
  );
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') again();
  });
}

function seeBlock(block: string): string | undefined {
  let event = '';
  let data = '';
  let id: string | undefined;
  for (const line of block.split('\n')) {
    if (line.startsWith('id:')) id = line.slice(3).trim();
    else if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) data += line.slice(5);
  }
  if (event === 'gap') gaps++;
  if (data !== '') see(event, JSON.parse(data) as ToolData);
  return id;
}

async function view(order: ViewerOrder): Promise<void> {
  const url = order.cutEveryMs > 0 ? await cutWay(order.url, order.cutEveryMs) : order.url;
  if (order.door === 'sdk') await viewBySdk({ ...order, url });
  else if (order.door === 'bare') viewByBareSocket({ ...order, url });
  else viewByEvents({ ...order, url }, undefined);
}

// Nothing outlives the soak test.
process.on('disconnect', () => process.exit(1));
process.on('message', (order: ViewerOrder) => void view(order));
