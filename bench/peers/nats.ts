import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, outputOf } from '../child.ts';
import { createEventText } from '../load/event.ts';
import { freePort, untilListening } from './free-port.ts';
import type { Peer, PeerPublisher } from './peer.ts';

const HELLO = 'CONNECT {"verbose":false,"pedantic":false}\r\n';

/** Publishes in NATS' own protocol; the offset is the publisher's, as core NATS counts nothing. */
async function connectPublisher(port: number): Promise<PeerPublisher> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => socket.destroy());
  socket.on('data', (text) => {
    if (text.includes('PING\r\n')) socket.write('PONG\r\n');
  });
  await once(socket, 'connect');
  socket.setNoDelay(true);
  socket.write(HELLO);
  const offsets = new Map<string, number>();
  return {
    failed: 0,
    pending: 0,
    publish(events) {
      let batch = '';
      for (const { topic, data } of events) {
        const offset = (offsets.get(topic) ?? 0) + 1;
        offsets.set(topic, offset);
        const text = createEventText(topic, offset, data);
        batch += `PUB ${topic} ${text.length}\r\n${text}\r\n`;
      }
      socket.write(batch);
    },
    close: () => socket.destroy(),
  };
}

export const nats: Peer = {
  name: 'nats-server, WebSocket',
  missing: async () =>
    (await outputOf('nats-server', '--version')) === undefined ? 'nats-server is not installed' : undefined,
  async start({ topics }, { cores }) {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-nats-'));
    const port = await freePort();
    const publishPort = await freePort();
    const file = join(directory, 'nats.conf');
    await writeFile(
      file,
      `host: "127.0.0.1"\nport: ${publishPort}\nping_interval: "10m"\nmax_pending: 1GB\n` +
        `websocket { host: "127.0.0.1", port: ${port}, no_tls: true, compression: false }\n`,
    );
    const args = ['-c', file, '-l', join(directory, 'nats.log')];
    const child = new Child({ ...cores.forServer('nats-server', args), name: 'nats-server' });
    await untilListening(port);
    const subscriptions = topics.map((topic, index) => `SUB ${topic} ${index + 1}\r\n`).join('');
    return {
      pid: child.pid,
      port,
      path: '/',
      greetings: [`${HELLO}${subscriptions}PING\r\n`],
      ready: { marker: 'PONG', times: 1 },
      severalInFrame: true,
      connectPublisher: () => connectPublisher(publishPort),
      async close() {
        await child.terminate();
        await rm(directory, { recursive: true, force: true });
      },
    };
  },
};
