/** Socket.IO, WebSocket only: a room for each topic of the query, `io.to(room).emit()` for each event. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
const offsets = new Map<string, number>();

io.on('connection', (socket) => {
  const { topics } = socket.handshake.query;
  if (typeof topics === 'string') void socket.join(topics.split(','));
  socket.emit('joined');
  socket.on('publish', (topic: string, data: unknown, acknowledge: (answer: string) => void) => {
    const offset = (offsets.get(topic) ?? 0) + 1;
    offsets.set(topic, offset);
    io.to(topic).emit('event', {
      topic,
      event: 'bench.tick',
      id: 'k3f9a1-4c2',
      offset,
      epoch: 'dk3f9-1',
      timestamp: new Date().toISOString(),
      data,
    });
    acknowledge('ok');
  });
});

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(JSON.stringify({ port: (http.address() as AddressInfo).port }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
