import { Child } from '../child.ts';
import type { Peer } from './peer.ts';

/** A C loop that writes ready-made frames: what the kernel asks of any server. */
export const floor: Peer = {
  name: 'floor (C)',
  missing: async ({ tools }) => (tools === undefined ? 'there is no C compiler' : undefined),
  async start({ topics, eventsPerSecond, eventsPerBatch }, { tools, cores }) {
    if (tools === undefined) throw new Error('there is no C compiler');
    const args = [eventsPerSecond, eventsPerBatch, topics.length].map(String);
    const child = new Child({ ...cores.forServer(tools.floor, args), name: 'the floor' });
    const { port } = await child.read<{ port: number }>();
    return { pid: child.pid, port, path: '/', greetings: [], close: () => child.close() };
  },
};
