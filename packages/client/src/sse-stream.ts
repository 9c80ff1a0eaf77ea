import {
  type AckedMessage,
  type DroppedMessage,
  type EventMessage,
  HEARTBEAT_MS,
  hasWildcard,
  MillraceError,
  type MillraceEvent,
  type RecoveryFailure,
  type ServerMessage,
  type Since,
  type SnapshotMessage,
  type SubscribeMessage,
  selectsTopic,
} from '@millrace/protocol';
import { readProblem } from './http-problem.ts';
import type { Platform, Timer } from './platform.ts';
import type { ServerUrls } from './server-url.ts';
import { type SseBlock, SseParser } from './sse-parser.ts';

export interface SseStreamOptions {
  readonly platform: Platform;
  readonly urls: ServerUrls;
  readonly headers: Readonly<Record<string, string>>;
  readonly request: SubscribeMessage & { readonly topic: string };
}

export interface SseStreamHandlers {
  readonly message: (message: ServerMessage) => void;
  /** An event that the stream did not ask for: every stream is sent what goes to its user, or to everyone. */
  readonly unasked: (event: EventMessage) => void;
  /** Broken, or ended by the server. */
  readonly lost: (error: MillraceError) => void;
}

/** Events of one page of `GET /api/v1/topics/{topic}/events`. */
const MAX_HISTORY = 1000;

/** The server writes a comment at its pace when there is nothing else ([SSE-3]); of three missing the stream is dead. */
const SILENCE_MS: number = 3 * HEARTBEAT_MS;

/** One subscription as a stream of server-sent events, told as the native protocol tells it. */
export class SseStream {
  readonly #options: SseStreamOptions;
  readonly #handlers: SseStreamHandlers;
  readonly #abort = new AbortController();
  readonly #topic: string;
  #begun = false;
  #answered = false;
  /** What came before there was a cursor to answer with. */
  readonly #early: DroppedMessage[] = [];
  /** The last of them alone says where to go on. */
  #snapshots: SnapshotMessage[] = [];
  #cursor: string | undefined;
  #silence: Timer | undefined;

  constructor(options: SseStreamOptions, handlers: SseStreamHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#topic = options.request.topic;
    void this.#run();
  }

  close(): void {
    this.#silence?.cancel();
    this.#abort.abort();
  }

  /** A path that takes packets and gives none back (a sleeping laptop, a forgotten NAT entry) ends no stream by itself. */
  #heard(): void {
    this.#silence?.cancel();
    this.#silence = this.#options.platform.after(SILENCE_MS, () => {
      this.close();
      this.#handlers.lost(new MillraceError('unavailable', `nothing was heard for ${SILENCE_MS} ms`));
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#read();
      throw new MillraceError('unavailable', 'the server ended the event stream');
    } catch (cause) {
      this.#silence?.cancel();
      if (this.#abort.signal.aborted) return;
      const error =
        cause instanceof MillraceError
          ? cause
          : new MillraceError('unavailable', `the event stream broke: ${String(cause)}`, { cause });
      this.#handlers.lost(error);
    }
  }

  async #read(): Promise<void> {
    const { urls, request } = this.#options;
    const query = new URLSearchParams({ topics: request.topic, format: 'full' });
    const { since } = request;
    if (isHistory(since)) await this.#beginAt(since, query);
    else if (since !== undefined) query.set('since', sinceText(since));
    if (request.filter !== undefined) query.set('filter', JSON.stringify(request.filter));
    if (request.slow !== undefined) query.set('slow', request.slow);
    if (request.consumer !== undefined) query.set('consumer', request.consumer);
    const response = await this.#get(`${urls.events}?${query}`, 'text/event-stream');
    if (response.body === null) throw new MillraceError('unavailable', 'the event stream has no body');
    const parser = new SseParser((block) => this.#receive(block));
    const reader = response.body.getReader();
    for (;;) {
      this.#heard();
      const { done, value } = await reader.read();
      if (this.#abort.signal.aborted || done) return;
      parser.push(value);
      this.#endChunk();
    }
  }

  async #get(url: string, accept: string): Promise<Response> {
    const { platform, headers } = this.#options;
    const init = { headers: { ...headers, accept }, signal: this.#abort.signal, cache: 'no-store' } as const;
    const response = await platform.fetch(url, init);
    if (!response.ok) throw await readProblem(response);
    return response;
  }

  /**
   * Streams of the previous release know neither `last` nor `time`: history, which gives a page at most, says where they
   * begin in a topic.
   */
  async #beginAt(since: HistorySince, query: URLSearchParams): Promise<void> {
    if (!hasWildcard(this.#topic)) query.set('since', await this.#beginning(since));
    else if ('last' in since) query.set('last', String(since.last));
    else query.set('time', since.time);
  }

  async #beginning(since: HistorySince): Promise<string> {
    const from = 'last' in since ? { last: String(Math.min(since.last, MAX_HISTORY)) } : { from: since.time };
    const query = new URLSearchParams(from);
    const response = await this.#get(
      `${this.#options.urls.history(this.#topic)}?${query}`,
      'application/json',
    );
    // [HTTP-3] gives the answer this shape.
    const { events, position } = (await response.json()) as { events: MillraceEvent[]; position: string };
    const [first] = events;
    return first === undefined ? position : `${first.epoch}:${first.offset - 1}`;
  }

  #receive(block: SseBlock): void {
    if (this.#abort.signal.aborted) return;
    const { id, data, retry } = block;
    const gap = block.event === 'gap' ? readGap(data) : undefined;
    const acked = block.event === 'acked' ? readAcked(data) : undefined;
    const snapshot = block.event === 'snapshot' ? readSnapshot(data) : undefined;
    const other = gap ?? acked ?? snapshot;
    const event = data === undefined || other !== undefined ? undefined : eventOf(data);
    if (event !== undefined && !selectsTopic([this.#topic], event.topic)) {
      this.#handlers.unasked(event);
      return;
    }
    // What is sent to this user may come before the subscription, and comes again by it.
    this.#begun ||= retry !== undefined;
    if (!this.#begun) return;
    if (id !== undefined) this.#cursor = id;
    // The first block is only a promise: a gap may follow it, and the cursor may come with the first event.
    if (!this.#answered && event !== undefined) this.#answer(undefined, 1);
    if (gap !== undefined) this.#missed(gap);
    if (snapshot !== undefined) this.#collect(snapshot, id);
    const message = acked ?? event;
    if (message !== undefined) this.#handlers.message(message);
    if (!this.#answered) return;
    if (id !== undefined) this.#handlers.message({ type: 'position', topic: this.#topic, cursor: id });
    else if (retry !== undefined) this.#closing(retry);
  }

  #collect(snapshot: SnapshotMessage, id: string | undefined): void {
    this.#snapshots.push(snapshot);
    if (id === undefined) return;
    const snapshots = this.#snapshots.splice(0);
    this.#answer(undefined, 0, snapshots.length);
    for (const message of snapshots) this.#handlers.message(message);
  }

  /** After each chunk: what the server wrote at once has been seen together. */
  #endChunk(): void {
    if (!this.#answered && this.#cursor !== undefined) this.#answer(undefined, 0);
  }

  #missed({ reason, topic }: SseGap): void {
    if (topic === undefined) this.#answer(reason === 'epoch' ? reason : 'expired', 0);
    else if (this.#answered) this.#handlers.message({ type: 'dropped', topic, reason });
    else this.#early.push({ type: 'dropped', topic, reason });
  }

  #answer(reason: RecoveryFailure | undefined, replayed: number, snapshots?: number): void {
    const { id, since } = this.#options.request;
    this.#answered = true;
    this.#handlers.message({
      type: 'subscribed',
      topic: this.#topic,
      cursor: this.#cursor ?? '',
      replayed,
      ...(snapshots !== undefined && { snapshots }),
      ...(id !== undefined && { id }),
      ...(since !== undefined && { recovered: reason === undefined }),
      ...(reason !== undefined && { reason }),
    });
    for (const message of this.#early.splice(0)) this.#handlers.message(message);
  }

  #closing(retryAfterMs: number): void {
    const reason = 'the server is going away';
    this.#handlers.message({ type: 'closing', code: 'draining', reason, retryAfterMs });
  }
}

interface SseGap {
  readonly reason: DroppedMessage['reason'];
  /** Missing when nothing of the subscription could be recovered. */
  readonly topic: string | undefined;
}

/** An event of the application may be called `gap` as well; with `format=full` it has the fields of an event. */
function readGap(data: string | undefined): SseGap | undefined {
  if (data === undefined) return undefined;
  const value: Partial<EventMessage> & Partial<Pick<DroppedMessage, 'reason'>> = eventOf(data);
  if (value.offset !== undefined) return undefined;
  return { reason: value.reason ?? 'expired', topic: value.topic };
}

/** Nor is an event of that name, which has an offset. */
function readSnapshot(data: string | undefined): SnapshotMessage | undefined {
  const value = data === undefined ? undefined : (JSON.parse(data) as SnapshotMessage & { offset?: number });
  return value === undefined || value.offset !== undefined ? undefined : { ...value, type: 'snapshot' };
}

/** Nor is an event of that name, which has the type of an event. */
function readAcked(data: string | undefined): AckedMessage | undefined {
  const value = data === undefined ? undefined : (JSON.parse(data) as ServerMessage);
  return value?.type === 'acked' ? value : undefined;
}

function eventOf(data: string): EventMessage {
  // `format=full` is the whole event as the native door sends it.
  return JSON.parse(data) as EventMessage;
}

type HistorySince = Extract<Since, { last: number } | { time: string }>;

function isHistory(since: Since | undefined): since is HistorySince {
  return typeof since === 'object' && !('epoch' in since);
}

function sinceText(since: Exclude<Since, HistorySince>): string {
  return typeof since === 'string' ? since : `${since.epoch}:${since.offset}`;
}
