import { Child } from '../child.ts';
import type { Environment } from '../environment.ts';
import type { RunningPeer } from '../peers/peer.ts';

/** What all subscribers saw between two marks. */
export interface Marked {
  readonly seconds: number;
  readonly deliveries: number;
  readonly bytes: number;
  readonly reads: number;
  /** Events that are missing although nobody said so. */
  readonly gaps: number;
  readonly repeats: number;
  /** Events that the server said it left out. */
  readonly dropped: number;
  readonly lags: number;
  readonly errors: number;
  /** Subscriptions answered with `recovered: false`. */
  readonly unrecovered: number;
  /** Connections that the server ended. */
  readonly closed: number;
  /** CPU time of the server, all its threads. */
  readonly cpuUs: number;
  readonly rssKb: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export interface Resumed {
  readonly resumed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** The generator's process: any number of subscribers of one server. */
export class Subscribers {
  /** From the first connection to the last greeting's answer. */
  readonly connectMs: number;
  readonly #child: Child;

  private constructor(child: Child, connectMs: number) {
    this.#child = child;
    this.connectMs = connectMs;
  }

  /** Resolves when every subscriber is connected and subscribed. */
  static async open(
    peer: RunningPeer,
    { subscribers, topics }: { subscribers: number; topics: number },
    environment: Environment,
  ): Promise<Subscribers> {
    const { tools, cores } = environment;
    const args = [
      ...['-P', `${peer.port}`, '-p', peer.path, '-n', `${subscribers}`, '-T', `${topics}`],
      ...['-i', `${peer.pid}`, '-a', peer.ready?.marker ?? '', '-A', `${peer.ready?.times ?? 0}`],
      ...peer.greetings.flatMap((frame) => ['-g', frame]),
      ...(peer.resumeFrame === undefined ? [] : ['-R', peer.resumeFrame]),
      ...(peer.severalInFrame ? ['-s'] : []),
      ...(peer.tls ? ['-t'] : []),
      ...(peer.deflate ? ['-z'] : []),
    ];
    const generator =
      tools === undefined
        ? [process.execPath, `${import.meta.dirname}/node-subscribers.ts`, ...args]
        : [tools.subscribers, ...args];
    const [command = '', ...rest] = generator;
    const child = new Child({ ...cores.forLoad(command, rest), name: 'the subscribers' });
    try {
      const { connectMs } = await child.read<{ connectMs: number }>();
      return new Subscribers(child, connectMs);
    } catch (error) {
      await child.close();
      throw error;
    }
  }

  /** Figures since the last mark, or since the start. */
  mark(): Promise<Marked> {
    return this.#child.ask('mark');
  }

  /** Lowest and highest last offset over all subscribers, by topic. */
  async heads(): Promise<(readonly [low: number, high: number])[]> {
    const { heads } = await this.#child.ask<{ heads: [number, number][] }>('heads');
    return heads;
  }

  /** The first `count` of them read nothing from now on. Latencies are those of the others, for good. */
  async deafen(count: number): Promise<void> {
    await this.#child.ask(`deafen ${count}`);
  }

  /** Those that were deaf read again. */
  async listen(): Promise<void> {
    await this.#child.ask('listen');
  }

  async cut(): Promise<void> {
    await this.#child.ask('cut');
  }

  /** Connects all again at once; resolves when each has got the event of this offset. */
  resume(offset: number): Promise<Resumed> {
    return this.#child.ask(`resume ${offset}`);
  }

  close(): Promise<void> {
    return this.#child.close();
  }
}
