import type { Platform, Timer } from './platform.ts';

export interface HeartbeatHandlers {
  readonly ping: (id: string) => void;
  /** Nothing was heard within the timeout of a ping. */
  readonly silent: () => void;
  readonly roundTrip: (durationMs: number) => void;
}

export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** How often to look for a jump of the wall clock, which is how sleep shows where no event tells. */
const TICK_MS = 5000;
/** After a wake-up the answer should come fast or the connection is gone. */
const PROBE_TIMEOUT_MS = 3000;

/** Asks whether an open connection lives: `start` when it opens, `heard` for everything received, `stop` when it is gone. */
export class Heartbeat {
  readonly #platform: Platform;
  readonly #options: HeartbeatOptions;
  readonly #handlers: HeartbeatHandlers;
  #tick: Timer | undefined;
  #timeout: Timer | undefined;
  #pinged: { readonly id: string; readonly atMs: number } | undefined;
  #nextPingMs = 0;
  #lastTickMs = 0;
  #pings = 0;

  constructor(platform: Platform, options: HeartbeatOptions, handlers: HeartbeatHandlers) {
    this.#platform = platform;
    this.#options = options;
    this.#handlers = handlers;
  }

  start(): void {
    this.stop();
    this.#nextPingMs = this.#platform.monotonic() + this.#options.intervalMs;
    this.#schedule();
  }

  stop(): void {
    this.#tick?.cancel();
    this.#timeout?.cancel();
    this.#pinged = undefined;
  }

  /** Any message proves that the connection lives; `pongId` is set when it is a pong. */
  heard(pongId?: string | number): void {
    this.#timeout?.cancel();
    const pinged = this.#pinged;
    if (pinged === undefined || pongId !== pinged.id) return;
    this.#pinged = undefined;
    this.#handlers.roundTrip(this.#platform.monotonic() - pinged.atMs);
  }

  /** Asks now, without waiting for the next beat. */
  probe(): void {
    this.#ping(Math.min(PROBE_TIMEOUT_MS, this.#options.timeoutMs));
  }

  #schedule(): void {
    this.#lastTickMs = this.#platform.now();
    this.#tick = this.#platform.after(Math.min(TICK_MS, this.#options.intervalMs), () => this.#onTick());
  }

  #onTick(): void {
    const late = this.#platform.now() - this.#lastTickMs > 2 * TICK_MS;
    this.#schedule();
    if (late) this.probe();
    else if (this.#platform.monotonic() >= this.#nextPingMs) this.#ping(this.#options.timeoutMs);
  }

  #ping(timeoutMs: number): void {
    const atMs = this.#platform.monotonic();
    this.#nextPingMs = atMs + this.#options.intervalMs;
    this.#pinged = { id: `h${++this.#pings}`, atMs };
    this.#timeout?.cancel();
    this.#timeout = this.#platform.after(timeoutMs, () => this.#handlers.silent());
    this.#handlers.ping(this.#pinged.id);
  }
}
