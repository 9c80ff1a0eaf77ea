import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../environment.ts';
import type { Workload } from '../load/workload.ts';
import { startNodeServer } from './node-server.ts';
import type { Peer, RunningPeer } from './peer.ts';
import { WebSocketPublisher } from './websocket-publisher.ts';

/** Millrace, as `serve` runs it, with a data folder of its own beside this checkout. */
export const millrace: Peer = {
  name: 'Millrace',
  missing: async () => undefined,
  start: startMillrace,
};

/** The same server again, under another name: what two equal things differ by is noise. */
export const millraceAgain: Peer = { ...millrace, name: 'Millrace (A/A)' };

/** `%` is a subscriber's last digit. */
const DISTINCT_FILTER = { 'data.load': { gte: 0 }, 'data.state': { ne: 'state-%' } };

export async function startMillrace(
  { topics, tls = false, deflate = false, filtered = false }: Workload,
  environment: Environment,
): Promise<RunningPeer> {
  const directory = await mkdtemp(join(import.meta.dirname, '..', '.data-'));
  const options = { data: { directory }, ...(tls && { tls: environment.certificate }) };
  const child = startNodeServer('millrace-server.ts', environment, JSON.stringify(options));
  const close = async (): Promise<void> => {
    await child.close();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const { port, token } = await child.read<{ port: number; token: string }>();
    const path = `/ws?token=${token}`;
    return {
      pid: child.pid,
      port,
      path,
      tls,
      deflate,
      greetings: [
        JSON.stringify({ type: 'subscribe', topics, ...(filtered && { filter: DISTINCT_FILTER }) }),
      ],
      ready: { marker: '"type":"subscribed"', times: topics.length },
      resumeFrame: `{"type":"subscribe","topic":"${topics[0]}","since":"@"}`,
      connectPublisher: () => WebSocketPublisher.connect({ port, path, tls }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
