import { type Endpoint, FrameSocket } from './frame-socket.ts';

/** Publications that are under way at once. */
export const PIPELINE = 64;
/** 240 bytes of JSON. */
const DATA = JSON.stringify({ task_id: 'compile', progress: 50, message: 'x'.repeat(192) });

/** Publishes to a topic of its own as fast as it is acknowledged, and sees to it that offsets count on. */
export class PipeliningPublisher {
  readonly topic: string;
  acknowledged = 0;
  /** From sending to the acknowledgement, in ms; the caller empties it. */
  latencies: number[] = [];
  readonly problems: string[] = [];
  readonly #sentAt = new Float64Array(PIPELINE);
  #socket: FrameSocket | undefined;
  #sent = 0;
  #owed = 0;
  #stopped = false;
  #onText: (text: string) => void = () => {};

  constructor(topic: string) {
    this.topic = topic;
  }

  async connect(endpoint: Endpoint): Promise<void> {
    this.#socket = await FrameSocket.connect(endpoint, (bytes) => this.#take(bytes));
  }

  start(): void {
    this.#send(PIPELINE);
  }

  stop(): void {
    this.#stopped = true;
  }

  get pending(): number {
    return this.#sent - this.acknowledged;
  }

  /** The offset of the topic's head, as the server says it to a subscriber. */
  async head(): Promise<number> {
    const answer = new Promise<string>((resolve) => {
      this.#onText = (text) => {
        if (text.includes('"type":"subscribed"')) resolve(text);
      };
    });
    this.#socket?.send([JSON.stringify({ type: 'subscribe', topic: this.topic })]);
    return Number(/"position":"[^":]*:(\d+)"/.exec(await answer)?.[1]);
  }

  close(): void {
    this.#socket?.close();
  }

  #take(bytes: Buffer): void {
    // Answers look alike, so their beginning and one number are all that has to be read.
    const text = bytes.toString('latin1');
    if (!text.startsWith('{"type":"ok"')) {
      if (text.includes('"type":"error"')) this.problems.push(text);
      this.#onText(text);
      return;
    }
    const at = text.indexOf('"offset":') + '"offset":'.length;
    const offset = Number.parseInt(text.slice(at, at + 12), 10);
    if (offset !== ++this.acknowledged)
      this.problems.push(`acknowledgement ${this.acknowledged} of ${this.topic} has offset ${offset}`);
    this.latencies.push(performance.now() - (this.#sentAt[this.acknowledged % PIPELINE] ?? 0));
    if (this.#stopped) return;
    // Answers that came together are followed by publications that go together.
    if (this.#owed++ === 0) setImmediate(this.#sendOwed);
  }

  readonly #sendOwed = (): void => {
    const owed = this.#owed;
    this.#owed = 0;
    this.#send(owed);
  };

  #send(count: number): void {
    const now = performance.now();
    const texts: string[] = [];
    for (let i = 0; i < count; i++) {
      this.#sentAt[++this.#sent % PIPELINE] = now;
      texts.push(
        `{"type":"publish","id":${this.#sent},"topic":"${this.topic}","event":"task.progress","data":${DATA}}`,
      );
    }
    this.#socket?.send(texts);
  }
}
