import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A real server in a process of its own, so that it can be killed. */
export class ServerProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(directory: string, secret: string): Promise<ServerProcess> {
    const script = `
      import { createServer } from '@millrace/server';
      const server = await createServer({
        host: { enabled: false },
        log: { level: 'fatal' },
        auth: { secret: ${JSON.stringify(secret)} },
        server: { port: 0 },
        data: { directory: ${JSON.stringify(directory)} },
      });
      console.log((await server.listen()).port);`;
    const args = ['--conditions=source', '--input-type=module', '-e', script];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: import.meta.dirname,
    });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return new ServerProcess(child, Number(line));
  }

  /** At once, without a chance to finish anything. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
