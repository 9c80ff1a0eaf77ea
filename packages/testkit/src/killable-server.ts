import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ServerOptions } from '@millrace/server';
import { signToken, systemClock } from '@millrace/server/config';
import { TEST_SECRET, type TokenOptions } from './test-server.ts';

const PROCESS = join(import.meta.dirname, 'killable-server-process.ts');

/** A server in a process of its own, which a test may kill and start again with its data and at its port. */
export class KillableServer {
  readonly #directory: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  #port = 0;

  private constructor(directory: string, options: ServerOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** What cannot be written as JSON is no option. */
  static async start(options: ServerOptions = {}): Promise<KillableServer> {
    const server = new KillableServer(await mkdtemp(join(tmpdir(), 'millrace-')), options);
    await server.restart();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  token({
    sub = 'tester',
    entity,
    roles = ['admin'],
    topics,
    ttlMs = 600_000,
  }: TokenOptions = {}): Promise<string> {
    const key = { alg: 'HS256', secret: TEST_SECRET } as const;
    return signToken({ key, userId: sub, entityId: entity, roles, topics, ttlMs, clock: systemClock });
  }

  /** Ends it as a power cut would. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Resolves when it listens. */
  async restart(): Promise<void> {
    await this.kill();
    const options: ServerOptions = {
      host: { enabled: false },
      log: { level: 'fatal' },
      auth: { secret: TEST_SECRET },
      ...this.#options,
      server: { ...this.#options.server, port: this.#port },
      data: { directory: this.#directory },
    };
    const child = spawn(process.execPath, ['--conditions=source', PROCESS, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const [port] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with code ${code}`))),
    ])) as [string];
    this.#port = Number(port);
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
