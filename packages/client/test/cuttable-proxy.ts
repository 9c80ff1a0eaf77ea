import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net';

/** Stands between client and server: cuts connections, refuses upgrades, and keeps the address of a restarted server. */
export class CuttableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Port on the loopback address. */
  target: number;
  refusesUpgrades = false;

  private constructor(target: number) {
    this.target = target;
    this.#server = createTcpServer((client) => {
      client.on('error', () => client.destroy());
      client.once('data', (head) => this.#pass(client, head));
    });
  }

  static async start(target: number): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #pass(client: Socket, head: Buffer): void {
    if (this.refusesUpgrades && /^upgrade:/im.test(head.toString('latin1'))) {
      client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const upstream = connectTcp(this.target, '127.0.0.1');
    upstream.write(head);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
