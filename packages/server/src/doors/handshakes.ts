import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Timed, TimingWheel } from '../session/timing-wheel.ts';

export interface HandshakesOptions {
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  /** From the connection to the end of its first request's head. */
  readonly maxMs: number;
  readonly onStalled: (address: string) => void;
}

/**
 * Connections between being accepted and their first request: TLS, headers. Those that take too long are cut off, and
 * the time they took counts as part of the time to a valid token.
 */
export class Handshakes {
  readonly #options: HandshakesOptions;
  /** By the peer's address and port: under TLS the socket of a request is not the one that was accepted. */
  readonly #pending: Map<string, Handshake> = new Map();

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** How many there are now. */
  get size(): number {
    return this.#pending.size;
  }

  /** A TCP connection was accepted. */
  begin(tcp: Socket): void {
    const key = peerOf(tcp);
    const handshake = new Handshake(tcp, this.#options, () => this.#pending.delete(key));
    // A port that comes again so soon: the connection before is gone.
    this.#pending.get(key)?.end();
    this.#pending.set(key, handshake);
  }

  /** A request has come. Returns when its connection was accepted, or now when it is not its first. Monotonic ms. */
  end(tcp: Socket): number {
    const handshake = this.#pending.get(peerOf(tcp));
    handshake?.end();
    return handshake?.acceptedMs ?? this.#options.clock.monotonic();
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** One connection that has not asked for anything yet. */
class Handshake implements Timed {
  /** Monotonic ms. */
  readonly acceptedMs: number;
  readonly #deadlineMs: number;
  readonly #onStalled: (address: string) => void;
  readonly #onEnd: () => void;
  #tcp: Socket | undefined;

  constructor(tcp: Socket, { clock, wheel, maxMs, onStalled }: HandshakesOptions, onEnd: () => void) {
    this.acceptedMs = clock.monotonic();
    this.#deadlineMs = this.acceptedMs + maxMs;
    this.#onStalled = onStalled;
    this.#onEnd = onEnd;
    this.#tcp = tcp;
    tcp.once('close', this.end);
    wheel.add(this, this.#deadlineMs);
  }

  /** Idempotent. The socket is let go of: the wheel keeps what it holds until its time. */
  readonly end = (): void => {
    if (this.#tcp === undefined) return;
    this.#tcp.removeListener('close', this.end);
    this.#tcp = undefined;
    this.#onEnd();
  };

  onDue(now: number): number | undefined {
    if (this.#tcp === undefined) return undefined;
    if (now < this.#deadlineMs) return this.#deadlineMs;
    const { remoteAddress = '' } = this.#tcp;
    this.#tcp.destroy();
    this.end();
    this.#onStalled(remoteAddress);
    return undefined;
  }
}
