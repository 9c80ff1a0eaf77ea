import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE, type Problem, retryHeader } from './problem.ts';

/**
 * Answers an upgrade request that is not taken, and ends its connection. Node's HTTP server lets go of a socket with the
 * upgrade: without a listener an error of it ends the process, and a peer that never closes its side keeps it half open.
 */
export function refuseUpgrade(socket: Duplex, problem: Problem): void {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries(retryHeader(problem)).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
