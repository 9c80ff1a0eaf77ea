import type { Platform, Socket, SocketHandlers, Timer } from '@millrace/client';
import type { Random } from './random.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What one client of the SDK takes from its surroundings: its own skewed clock, and the simulated network. */
export class SimulatedPlatform implements Platform {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #network: SimulatedNetwork;
  readonly #skewMs: number;
  readonly #name: string;
  readonly #onError: (error: unknown) => void;
  readonly #wakeListeners = new Set<() => void>();
  #ids = 0;

  constructor(options: {
    network: SimulatedNetwork;
    name: string;
    onError: (error: unknown) => void;
  }) {
    this.#network = options.network;
    this.#time = options.network.time;
    this.#random = options.network.random;
    this.#name = options.name;
    this.#onError = options.onError;
    this.#skewMs = this.#random.below(120_000) - 60_000;
  }

  now(): number {
    return this.#time.now() + this.#skewMs;
  }

  monotonic(): number {
    return this.#time.monotonic();
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#time.after(delayMs, () => {
      try {
        task();
      } catch (error) {
        // What a listener threw; in a browser it would be an uncaught error.
        this.#onError(error);
      }
    });
  }

  random(): number {
    return this.#random.next();
  }

  uniqueId(): string {
    return `${this.#name}-${++this.#ids}`;
  }

  openSocket(_url: string, _protocols: readonly string[], handlers: SocketHandlers): Socket {
    return this.#network.connect(handlers);
  }

  fetch(): Promise<Response> {
    return Promise.reject(new Error('there is no HTTP in this network'));
  }

  onWake(listener: () => void): () => void {
    this.#wakeListeners.add(listener);
    return () => this.#wakeListeners.delete(listener);
  }

  wake(): void {
    for (const listener of [...this.#wakeListeners]) listener();
  }
}
