import type { BenchEvent } from '../load/event.ts';
import { FrameSocket } from '../load/frame-socket.ts';
import { startNodeServer } from './node-server.ts';
import type { Peer, PeerPublisher } from './peer.ts';

const PATH = '/socket.io/?EIO=4&transport=websocket';

/** Engine.IO packets are text: `40` joins the namespace, `42` is an event, `43` an acknowledgement, `2` a ping. */
async function connectPublisher(port: number): Promise<PeerPublisher> {
  let sent = 0;
  let acknowledged = 0;
  const joined = Promise.withResolvers<void>();
  const socket = await FrameSocket.connect({ port, path: PATH }, (text) => {
    if (text[0] === 0x32) socket.send(['3']);
    else if (text[0] === 0x34 && text[1] === 0x33) acknowledged++;
    else if (text.includes('joined')) joined.resolve();
  });
  socket.send(['40']);
  await joined.promise;
  return {
    failed: 0,
    get pending() {
      return sent - acknowledged;
    },
    publish: (events: readonly BenchEvent[]) =>
      socket.send(events.map(({ topic, data }) => `42${sent++}["publish","${topic}",${data}]`)),
    close: () => socket.close(),
  };
}

export const socketIo: Peer = {
  name: 'Socket.IO',
  missing: async () => undefined,
  async start({ topics }, environment) {
    const child = startNodeServer('socket-io-server.ts', environment);
    const { port } = await child.read<{ port: number }>();
    return {
      pid: child.pid,
      port,
      path: `${PATH}&topics=${topics.join(',')}`,
      greetings: ['40'],
      ready: { marker: '42["joined"', times: 1 },
      connectPublisher: () => connectPublisher(port),
      close: () => child.close(),
    };
  },
};
