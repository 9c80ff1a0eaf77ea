import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOLS } from '@millrace/protocol';
import type { Dial } from './connection.ts';
import type { Platform } from './platform.ts';
import type { ServerUrls } from './server-url.ts';
import { SseSocket } from './sse-socket.ts';
import type { TransportName } from './types.ts';

/** Attempts without any connection before `auto` asks whether only WebSocket is blocked. */
const ATTEMPTS_BEFORE_FALLBACK = 2;

/** What may stand in a subprotocol's name: JWTs do, API keys may not. */
const SUBPROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/;

/** Chooses what carries the native protocol; shared by all connections of a client. */
export class Transport {
  readonly #platform: Platform;
  readonly #urls: ServerUrls;
  readonly #mayFallBack: boolean;
  #name: TransportName;
  #failures = 0;
  #everOpened = false;
  #asking = false;

  constructor(platform: Platform, urls: ServerUrls, wanted: 'auto' | TransportName) {
    this.#platform = platform;
    this.#urls = urls;
    this.#mayFallBack = wanted === 'auto';
    this.#name = wanted === 'sse' ? 'sse' : 'websocket';
  }

  get name(): TransportName {
    return this.#name;
  }

  readonly dial: Dial = (handlers, token) => {
    if (this.#name === 'sse') return new SseSocket(this.#platform, this.#urls, handlers);
    const shown =
      token !== undefined && SUBPROTOCOL.test(token) ? [`${BEARER_SUBPROTOCOL_PREFIX}${token}`] : [];
    return this.#platform.openSocket(this.#urls.webSocket, [SUBPROTOCOLS.json, ...shown], handlers);
  };

  opened(): void {
    this.#everOpened = true;
  }

  /** An attempt ended; a socket that had opened was refused by the server, not blocked on the way. */
  attemptFailed(hadOpened: boolean): void {
    if (hadOpened || this.#everOpened || !this.#mayFallBack || this.#name === 'sse') return;
    this.#failures += 1;
    if (this.#failures >= ATTEMPTS_BEFORE_FALLBACK && !this.#asking) void this.#askHttp();
  }

  /** The server is there and only WebSocket is not: use what works, for the life of this client. */
  async #askHttp(): Promise<void> {
    this.#asking = true;
    try {
      const response = await this.#platform.fetch(this.#urls.liveness, { cache: 'no-store' });
      await response.arrayBuffer();
      if (response.ok && !this.#everOpened) this.#name = 'sse';
    } catch {
      // The server is away for both.
    } finally {
      this.#asking = false;
    }
  }
}
