import { createServer } from '@millrace/server';

/** What the soak test asks of the server that it is going to kill. */
export interface InboxServerOrder {
  readonly directory: string;
  readonly secret: string;
  /** 0: a free one. */
  readonly port: number;
}

async function start({ directory, secret, port }: InboxServerOrder): Promise<void> {
  const server = await createServer({
    server: { port },
    data: { directory },
    auth: { secret },
    host: { enabled: false },
    sources: { server: false, process: false },
    log: { level: 'error' },
    // All clients come from one address, at once.
    limits: { maxConnectionsPerAddress: 100_000, connectionsPerSecond: 100_000 },
  });
  const listening = await server.listen();
  process.send?.({ port: listening.port });
}

// Nothing outlives the soak test.
process.on('disconnect', () => process.exit(1));
process.on('message', (order: InboxServerOrder) => void start(order));
