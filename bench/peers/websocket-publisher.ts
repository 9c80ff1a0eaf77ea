import type { BenchEvent } from '../load/event.ts';
import { type Endpoint, FrameSocket } from '../load/frame-socket.ts';
import type { PeerPublisher } from './peer.ts';

/** Publishes as a client of the native door does, and counts the answers. */
export class WebSocketPublisher implements PeerPublisher {
  failed = 0;
  #sent = 0;
  #acknowledged = 0;
  #socket: FrameSocket | undefined;

  static async connect(endpoint: Endpoint): Promise<WebSocketPublisher> {
    const self = new WebSocketPublisher();
    self.#socket = await FrameSocket.connect(endpoint, (text) => self.#onText(text));
    return self;
  }

  get pending(): number {
    return this.#sent - this.#acknowledged - this.failed;
  }

  publish(events: readonly BenchEvent[]): void {
    this.#socket?.send(
      events.map(
        ({ topic, data }) =>
          `{"type":"publish","id":${++this.#sent},"topic":"${topic}","event":"bench.tick","data":${data}}`,
      ),
    );
  }

  close(): void {
    this.#socket?.close();
  }

  #onText(text: Buffer): void {
    if (text.includes('"type":"ok"')) this.#acknowledged++;
    else if (text.includes('"type":"error"') && this.failed++ === 0)
      console.error(`a publication failed: ${text}`);
  }
}
