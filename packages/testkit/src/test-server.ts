import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role, ServerMessage } from '@millrace/protocol';
import {
  type Clock,
  createServer,
  type Listening,
  type MillraceServer,
  type ServerOptions,
  type SignTokenOptions,
  signToken,
  systemClock,
} from '@millrace/server';
import { SseClient } from './sse-client.ts';
import { TestClient, type TestClientOptions } from './test-client.ts';

export const TEST_SECRET = 'a secret that only tests know, 32 bytes';

export interface TokenOptions {
  readonly sub?: string;
  readonly entity?: string;
  readonly roles?: readonly Role[];
  readonly topics?: SignTokenOptions['topics'];
  readonly ttlMs?: number;
  /** What `ttlMs` counts from: the clock of a server that has one of its own. */
  readonly clock?: Clock;
}

export type CreateServer = typeof createServer;

/** A real server on a free port with a data folder of its own. */
export class TestServer {
  readonly server: MillraceServer;
  readonly listening: Listening;
  readonly directory: string;
  readonly #ownsDirectory: boolean;

  private constructor(
    server: MillraceServer,
    listening: Listening,
    directory: string,
    ownsDirectory: boolean,
  ) {
    this.server = server;
    this.listening = listening;
    this.directory = directory;
    this.#ownsDirectory = ownsDirectory;
  }

  /**
   * `directory` continues with the data of an earlier server; it is then the caller's to remove. `create` makes the server of
   * another release.
   */
  static async start(
    options: ServerOptions & { directory?: string; create?: CreateServer } = {},
  ): Promise<TestServer> {
    const { directory: given, create = createServer, ...rest } = options;
    const directory = given ?? (await mkdtemp(join(tmpdir(), 'millrace-')));
    const server = await create({
      host: { enabled: false },
      log: { level: 'fatal' },
      auth: { secret: TEST_SECRET },
      // Another release need not know of it.
      ...(create === createServer && {
        sources: { server: false, process: false },
        analytics: { sessions: false },
      }),
      ...rest,
      server: { port: 0, ...rest.server },
      data: { directory, ...rest.data },
    });
    return new TestServer(server, await server.listen(), directory, given === undefined);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.listening.port}`;
  }

  token({
    sub = 'tester',
    entity,
    roles = ['admin'],
    topics,
    ttlMs = 600_000,
    clock = systemClock,
  }: TokenOptions = {}): Promise<string> {
    const key = { alg: 'HS256', secret: TEST_SECRET } as const;
    return signToken({ key, userId: sub, entityId: entity, roles, topics, ttlMs, clock });
  }

  /** A client at a path (`/ws` when missing) whose token comes as `?token=`; without `as` it has none. */
  async connect<Message extends object = ServerMessage>(
    path = '/ws',
    as: TokenOptions | undefined = {},
    options: TestClientOptions = {},
  ): Promise<TestClient<Message>> {
    const url = new URL(path, `ws://127.0.0.1:${this.listening.port}`);
    url.searchParams.set('token', await this.token(as));
    return new TestClient<Message>(url.href, options).opened();
  }

  /** A client without a token. */
  connectAnonymously(path = '/ws', options: TestClientOptions = {}): Promise<TestClient> {
    return new TestClient(new URL(path, `ws://127.0.0.1:${this.listening.port}`).href, options).opened();
  }

  /** An event stream; the path brings its query, the token comes in the header. */
  async stream(
    path: string,
    as: TokenOptions = {},
    headers: Record<string, string> = {},
  ): Promise<SseClient> {
    const client = new SseClient(`${this.origin}${path}`, {
      authorization: `Bearer ${await this.token(as)}`,
      ...headers,
    });
    await client.answered;
    return client;
  }

  async close(): Promise<void> {
    await this.server.close();
    if (this.#ownsDirectory) await rm(this.directory, { recursive: true, force: true });
  }
}
