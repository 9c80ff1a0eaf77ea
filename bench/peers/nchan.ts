import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, outputOf } from '../child.ts';
import { createEventText } from '../load/event.ts';
import { freePort, untilListening } from './free-port.ts';
import type { Peer, PeerPublisher } from './peer.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

/** Posts each event, pipelined on one connection; the offset is the publisher's. */
function connectPublisher(port: number): PeerPublisher {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => socket.destroy());
  let sent = 0;
  let answered = 0;
  socket.on('data', (bytes: Buffer) => {
    for (let at = bytes.indexOf('HTTP/1.1 20'); at !== -1; at = bytes.indexOf('HTTP/1.1 20', at + 1))
      answered++;
  });
  const offsets = new Map<string, number>();
  return {
    failed: 0,
    get pending() {
      return sent - answered;
    },
    publish(events) {
      let batch = '';
      for (const { topic, data } of events) {
        const offset = (offsets.get(topic) ?? 0) + 1;
        offsets.set(topic, offset);
        const text = createEventText(topic, offset, data);
        batch += `POST /pub/${topic} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
        sent++;
      }
      socket.write(batch);
    },
    close: () => socket.destroy(),
  };
}

/** nginx with the nchan module; its subscribers follow one topic each. */
export const nchan: Peer = {
  name: 'nginx nchan',
  async missing() {
    if (!existsSync(MODULE)) return 'libnginx-mod-nchan is not installed';
    return (await outputOf('nginx', '-v')) === undefined ? 'nginx is not installed' : undefined;
  },
  async start({ topics }, { cores }) {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-nchan-'));
    const port = await freePort();
    const file = join(directory, 'nginx.conf');
    await writeFile(
      file,
      `load_module ${MODULE}; daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log;
worker_rlimit_nofile 20000; events { worker_connections 20000; }
http { access_log off; client_body_temp_path ${directory}/body; keepalive_requests 10000000;
 server { listen 127.0.0.1:${port} backlog=4096;
  location ~ ^/sub/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; }
  location ~ ^/pub/(.+)$ { nchan_publisher http; nchan_channel_id $1; nchan_message_buffer_length 2000; } } }\n`,
    );
    const args = ['-c', file, '-p', directory, '-e', join(directory, 'error.log')];
    const child = new Child({ ...cores.forServer('nginx', args), name: 'nginx' });
    await untilListening(port);
    return {
      pid: child.pid,
      port,
      path: `/sub/${topics[0]}`,
      greetings: [],
      connectPublisher: async () => connectPublisher(port),
      async close() {
        await child.terminate();
        await rm(directory, { recursive: true, force: true });
      },
    };
  },
};
