import { startNodeServer } from './node-server.ts';
import type { Peer } from './peer.ts';
import { WebSocketPublisher } from './websocket-publisher.ts';

/** The `ws` package with `send()` for each client. */
export const ws: Peer = {
  name: 'ws, send() each',
  missing: async () => undefined,
  async start({ topics, tls = false, deflate = false }, environment) {
    const { certificate } = environment;
    const files = tls && certificate ? [certificate.cert, certificate.key] : [];
    const child = startNodeServer('ws-server.ts', environment, `${deflate}`, ...files);
    const { port } = await child.read<{ port: number }>();
    return {
      pid: child.pid,
      port,
      path: '/',
      tls,
      deflate,
      greetings: [JSON.stringify({ type: 'subscribe', topics })],
      ready: { marker: '"type":"subscribed"', times: topics.length },
      connectPublisher: () => WebSocketPublisher.connect({ port, path: '/', tls }),
      close: () => child.close(),
    };
  },
};
