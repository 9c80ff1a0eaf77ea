import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { within } from './until.ts';

/** One block of an event stream, as it was sent. */
export interface SseBlock {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
  readonly comment?: string;
}

/** A client of an event stream that keeps every block, in order, and lets a test wait for them. */
export class SseClient {
  readonly blocks: SseBlock[] = [];
  /** Everything that came, as it came. */
  text = '';
  /** The status of the answer; its body is in `text` when it is no event stream. */
  readonly answered: Promise<{ status: number; headers: IncomingMessage['headers'] }>;
  readonly ended: Promise<void>;
  #rest = '';
  #over = false;
  #wake: (() => void)[] = [];
  readonly #request: ClientRequest;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#request = request(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      this.#request.once('response', resolve);
      this.#request.once('error', reject);
    });
    this.answered = within(response, 'an answer').then((answer) => {
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => this.#take(chunk));
      return { status: answer.statusCode ?? 0, headers: answer.headers };
    });
    this.ended = new Promise((resolve) => {
      this.#request.once('close', () => {
        this.#over = true;
        this.#notify();
        resolve();
      });
    });
    this.#request.on('error', () => {});
    this.#request.end();
  }

  /** The `id:` that a browser would come back with. */
  get lastEventId(): string | undefined {
    return this.blocks.findLast(({ id }) => id !== undefined)?.id;
  }

  /** Blocks with data. */
  get events(): (SseBlock & { data: string })[] {
    return this.blocks.filter((block): block is SseBlock & { data: string } => block.data !== undefined);
  }

  /** Waits until the blocks that came satisfy a condition. */
  async until(condition: (client: this) => boolean, description: string): Promise<void> {
    const satisfied = async (): Promise<void> => {
      while (!condition(this)) {
        if (this.#over) throw new Error(`the stream ended while waiting for ${description}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    };
    await within(satisfied(), description, 15_000);
  }

  /** Waits for so many events, and returns them. */
  async take(count: number): Promise<(SseBlock & { data: string })[]> {
    await this.until(({ events }) => events.length >= count, `${count} events`);
    return this.events.slice(0, count);
  }

  /** Stops reading, so that the kernel's buffers fill. */
  pause(): void {
    this.#request.socket?.pause();
  }

  resume(): void {
    this.#request.socket?.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  #take(chunk: string): void {
    this.text += chunk;
    this.#rest += chunk;
    for (let end = this.#rest.indexOf('\n\n'); end !== -1; end = this.#rest.indexOf('\n\n')) {
      this.blocks.push(parseBlock(this.#rest.slice(0, end)));
      this.#rest = this.#rest.slice(end + 2);
    }
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

function parseBlock(text: string): SseBlock {
  const block: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const name = colon === 0 ? 'comment' : line.slice(0, colon);
    block[name] = line.slice(colon + 1).replace(/^ /, '');
  }
  return block;
}
