import type { View } from '@millrace/catalog/views';
import {
  BROADCAST_TOPIC,
  DEFAULT_LIMITS,
  findPatternProblem,
  findTopicProblem,
  inboxOf,
  isPrivateTopic,
  MillraceError,
  type MillraceEvent,
  type PublishResult,
  type WelcomeMessage,
} from '@millrace/protocol';
import type { ConnectionOptions } from './connection.ts';
import { TopicConsumer } from './consumer.ts';
import type { ConsumeOptions, Consumer, InboxOptions } from './consumer-types.ts';
import { Emitter } from './emitter.ts';
import type { FeedOptions } from './feed.ts';
import { Lane, type LaneHandlers } from './lane.ts';
import { Lanes } from './lanes.ts';
import { FoldedView } from './live-view.ts';
import { globalPlatform, type Platform } from './platform.ts';
import { encodePublication } from './publication.ts';
import { PublishQueue } from './publish-queue.ts';
import { serverUrls } from './server-url.ts';
import { TopicSubscription } from './subscription.ts';
import type {
  AgentOptions,
  AgentReporter,
  ProgressOptions,
  ScanOptions,
  ScanTracker,
  TaskTracker,
  WorkflowOptions,
  WorkflowTracker,
} from './trackers/tracker-types.ts';
import type { Trackers } from './trackers/trackers.ts';
import { Transport } from './transport.ts';
import type {
  AnyCatalog,
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionState,
  EventReader,
  OpenCatalog,
  PublishOptions,
  SessionInfo,
  SubscribeOptions,
  Subscription,
  TokenSource,
  TransportName,
} from './types.ts';
import type { LiveView } from './view-types.ts';

/** A connection that lasted less counts as a failed attempt. */
const STABLE_MS = 5000;
const DEFAULT_MAX_BUFFERED_EVENTS = 1000;
const INBOX_CONSUMER = 'inbox';

/**
 * Makes a client, which begins to connect at once and keeps itself connected until it is closed. Throws a `TypeError`
 * for a `url` that is none.
 *
 * ```ts
 * const client = createClient({ url: 'http://localhost:3001', token });
 * await client.publish('orders.new', 'order.created', { id: 17 });
 * ```
 */
export function createClient<Catalog extends object = OpenCatalog>(options: ClientOptions): Client<Catalog> {
  const client = new MillraceClient<Catalog>(options);
  client.connect();
  return client;
}

class MillraceClient<Catalog extends object> implements Client<Catalog> {
  readonly #platform: Platform;
  readonly #catalog: EventReader | undefined;
  readonly #emitter: Emitter<ClientEvents>;
  readonly #transport: Transport;
  readonly #lanes: Lanes;
  readonly #queue: PublishQueue;
  /** Whatever reads and is to be closed with the client. */
  readonly #subscriptions = new Set<{ close(): void }>();
  /** Inboxes that wait until it is known whose they are. */
  readonly #anonymous = new Set<TopicConsumer<Catalog>>();
  #userId: string | undefined;
  readonly #stopListeningForWake: () => void;
  #session: SessionInfo | undefined;
  #roundTripMs: number | undefined;
  /** The last direct event of each topic. */
  readonly #direct = new Map<string, MillraceEvent>();
  #maxMessageBytes: number = DEFAULT_LIMITS.maxMessageBytes;
  #closed = false;
  readonly #publishUrl: string;
  /** The one that was shown last. */
  #token: string | undefined;
  #trackers: Promise<Trackers> | undefined;

  constructor(options: ClientOptions) {
    const platform = options.platform ?? globalPlatform;
    this.#platform = platform;
    this.#catalog = options.catalog;
    this.#emitter = new Emitter(this.#rethrow);
    const urls = serverUrls(options.url);
    this.#publishUrl = urls.publish;
    this.#transport = new Transport(platform, urls, options.transport ?? 'auto');
    this.#queue = new PublishQueue({
      platform,
      maxMessages: options.offlineQueue?.maxMessages ?? 1000,
      maxAgeMs: options.offlineQueue?.maxAgeMs ?? Infinity,
    });
    const connection = connectionOptions(
      { ...options, token: this.#remembered(options.token) },
      platform,
      this.#transport,
    );
    const first = new Lane(connection, this.#firstLaneHandlers());
    this.#lanes = new Lanes(platform, first, () => new Lane(connection, this.#otherLaneHandlers()));
    this.#stopListeningForWake = platform.onWake(() => {
      for (const lane of this.#lanes.all) lane.connection.wake();
    });
  }

  get state(): ConnectionState {
    return this.#lanes.first.connection.state;
  }

  get transport(): TransportName {
    return this.#transport.name;
  }

  get session(): SessionInfo | undefined {
    return this.#session;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get failure(): MillraceError | undefined {
    return this.#lanes.first.connection.failure;
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  topic(topicOrPattern: string, options?: SubscribeOptions): Subscription<Catalog> {
    return this.#subscribe(topicOrPattern, options);
  }

  #subscribe<Events extends object>(
    topicOrPattern: string,
    options: SubscribeOptions = {},
  ): TopicSubscription<Events> {
    const problem = findPatternProblem(topicOrPattern);
    if (problem !== undefined) throw new MillraceError('bad-topic', `"${topicOrPattern}" ${problem}`);
    const subscription = new TopicSubscription<Events>({
      topic: topicOrPattern,
      maxBufferedEvents: Math.max(1, options.maxBufferedEvents ?? DEFAULT_MAX_BUFFERED_EVENTS),
      source: this.#lanes,
      onThrow: this.#rethrow,
    });
    if (this.#closed) {
      subscription.close();
      return subscription;
    }
    this.#subscriptions.add(subscription);
    subscription.on('closed', () => this.#subscriptions.delete(subscription));
    this.#lanes.attach(subscription, topicOrPattern, options.since, feedOptions(options));
    return subscription;
  }

  view<State>(topic: string, view: View<State>): LiveView<State> {
    checkTopic(topic);
    const subscription = this.#subscribe<AnyCatalog>(topic, { since: 'snapshot', slow: 'catchup' });
    return new FoldedView(view, subscription, this.#rethrow);
  }

  consume(topic: string, options: ConsumeOptions): Consumer<Catalog> {
    checkTopic(topic);
    const consumer = this.#addConsumer(options);
    consumer.start(topic);
    return consumer;
  }

  inbox(options: InboxOptions = {}): Consumer<Catalog> {
    const { userId } = options;
    const consumer = this.#addConsumer({ ...options, consumer: INBOX_CONSUMER });
    if (userId !== undefined) consumer.start(inboxOf(userId));
    else this.#startInbox(consumer);
    return consumer;
  }

  #addConsumer({ consumer: name, maxBufferedMessages, slow }: ConsumeOptions): TopicConsumer<Catalog> {
    const consumer = new TopicConsumer<Catalog>({
      name,
      maxBufferedMessages: Math.max(1, maxBufferedMessages ?? DEFAULT_MAX_BUFFERED_EVENTS),
      slow,
      platform: this.#platform,
      lanes: this.#lanes,
      onThrow: this.#rethrow,
    });
    if (this.#closed) consumer.close();
    else this.#subscriptions.add(consumer);
    consumer.on('closed', () => {
      this.#subscriptions.delete(consumer);
      this.#anonymous.delete(consumer);
    });
    return consumer;
  }

  #startInbox(consumer: TopicConsumer<Catalog>): void {
    if (this.#userId === undefined) {
      this.#anonymous.add(consumer);
      const { failure } = this;
      if (failure !== undefined) consumer.interrupted(failure);
    } else if (this.#userId === '') {
      const advice = 'the token does not say whose inbox it is; give client.inbox({ userId })';
      consumer.failed(new MillraceError('bad-message', advice));
    } else consumer.start(inboxOf(this.#userId));
  }

  publish<Name extends keyof Catalog & string>(
    topic: string,
    event: Name,
    data: Catalog[Name],
    options: PublishOptions = {},
  ): Promise<PublishResult> {
    return this.#publish(topic, event, data, options);
  }

  async #publish(
    topic: string,
    event: string,
    data: unknown,
    options: PublishOptions,
  ): Promise<PublishResult> {
    checkTopic(topic);
    if (this.#closed) throw new MillraceError('unavailable', `${topic}: the client is closed`);
    const { failure } = this;
    if (failure !== undefined) {
      throw new MillraceError('unavailable', `${topic}: the client gave up: ${failure.message}`, {
        cause: failure,
      });
    }
    const idempotencyKey = options.idempotencyKey ?? this.#platform.uniqueId();
    const publication = { topic, event, data, ...options, idempotencyKey };
    return this.#queue.add(topic, (id) => encodePublication({ id, ...publication }, this.#maxMessageBytes));
  }

  progress(options: ProgressOptions): Promise<TaskTracker>;
  progress<Result>(
    options: ProgressOptions,
    run: (task: TaskTracker) => Result | Promise<Result>,
  ): Promise<Result>;
  async progress<Result>(
    options: ProgressOptions,
    run?: (task: TaskTracker) => Result | Promise<Result>,
  ): Promise<TaskTracker | Result> {
    return (await this.#loadTrackers()).progress(options, run);
  }

  scan(options: ScanOptions): Promise<ScanTracker>;
  scan<Result>(options: ScanOptions, run: (scan: ScanTracker) => Result | Promise<Result>): Promise<Result>;
  async scan<Result>(
    options: ScanOptions,
    run?: (scan: ScanTracker) => Result | Promise<Result>,
  ): Promise<ScanTracker | Result> {
    return (await this.#loadTrackers()).scan(options, run);
  }

  workflow(options: WorkflowOptions): Promise<WorkflowTracker>;
  workflow<Result>(
    options: WorkflowOptions,
    run: (workflow: WorkflowTracker) => Result | Promise<Result>,
  ): Promise<Result>;
  async workflow<Result>(
    options: WorkflowOptions,
    run?: (workflow: WorkflowTracker) => Result | Promise<Result>,
  ): Promise<WorkflowTracker | Result> {
    return (await this.#loadTrackers()).workflow(options, run);
  }

  async agent(options: AgentOptions): Promise<AgentReporter> {
    return (await this.#loadTrackers()).agent(options);
  }

  /** Loaded when they are first needed: most pages only look. */
  #loadTrackers(): Promise<Trackers> {
    this.#trackers ??= import('./trackers/trackers.ts').then(({ Trackers }) =>
      Trackers.load({
        platform: this.#platform,
        checkTopic,
        publish: (topic, event, data, options = {}) => this.#publish(topic, event, data, options),
        report: (error) => this.#emitter.emit('error', error),
        address: () => ({ url: this.#publishUrl, token: this.#token }),
      }),
    );
    return this.#trackers;
  }

  #remembered(source: TokenSource | undefined): TokenSource | undefined {
    // A token that never changes stays one: a connection gives up with it when it has expired.
    if (typeof source !== 'function') {
      this.#token = source;
      return source;
    }
    return async () => {
      this.#token = await source();
      return this.#token;
    };
  }

  connect(): void {
    for (const lane of this.#lanes.all) lane.connection.connect();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListeningForWake();
    for (const subscription of [...this.#subscriptions]) subscription.close();
    for (const lane of this.#lanes.all) lane.connection.stop();
    this.#queue.rejectAll('the client was closed');
  }

  #firstLaneHandlers(): LaneHandlers {
    return {
      ...this.#otherLaneHandlers(),
      state: (state) => this.#emitter.emit('state', state),
      opened: (welcome) => this.#welcomed(welcome),
      lost: () => this.#queue.lost(),
      unasked: (event) => this.#onUnasked(event),
      answer: (message) => this.#queue.answered(message),
      failed: (error) => {
        this.#queue.rejectAll(`the client gave up: ${error.message}`, error);
        for (const consumer of this.#anonymous) consumer.interrupted(error);
      },
      roundTrip: (durationMs) => {
        this.#roundTripMs = durationMs;
      },
    };
  }

  #otherLaneHandlers(): LaneHandlers {
    return {
      state: () => {},
      error: (error) => this.#emitter.emit('error', error),
      opened: () => this.#transport.opened(),
      read: this.#read,
      lost: () => {},
      // Every connection is sent them: the first one tells.
      unasked: () => {},
      answer: () => {},
      attemptFailed: (hadOpened) => this.#transport.attemptFailed(hadOpened),
      failed: () => {},
      roundTrip: () => {},
    };
  }

  /** What is on its way when a subscription ends is unasked, too, but was not sent to this client directly. */
  #onUnasked(event: MillraceEvent): void {
    const { topic } = event;
    if (topic !== BROADCAST_TOPIC && !isPrivateTopic(topic)) return;
    if (this.#lanes.all.some((lane) => lane.reads(topic))) return;
    // Over SSE a stream may overlap the one that takes its place.
    const last = this.#direct.get(topic);
    if (last?.epoch === event.epoch && event.offset <= last.offset) return;
    this.#direct.set(topic, event);
    this.#emitter.emit('direct', event);
  }

  #welcomed({ connectionId, userId, entityId, roles, limits }: WelcomeMessage): void {
    this.#transport.opened();
    // Over SSE each request stands for itself: there is no session to speak of.
    this.#session = connectionId === '' ? undefined : { connectionId, userId, entityId, roles };
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#userId = userId;
    for (const consumer of this.#anonymous) {
      this.#anonymous.delete(consumer);
      this.#startInbox(consumer);
    }
    this.#queue.opened(this.#lanes.first.connection);
  }

  /** An event of an earlier version becomes one of the newest; what the catalog cannot read comes as it was sent. */
  readonly #read = (event: MillraceEvent): MillraceEvent => {
    if (this.#catalog === undefined) return event;
    try {
      const data = this.#catalog.upcast(event.event, event.data);
      return data === event.data ? event : { ...event, data };
    } catch (error) {
      this.#rethrow(error);
      return event;
    }
  };

  /** A listener's fault is the application's: reported as any uncaught error, without stopping the SDK. */
  readonly #rethrow = (error: unknown): void => {
    this.#platform.after(0, () => {
      throw error;
    });
  };
}

function checkTopic(topic: string): void {
  const problem = findTopicProblem(topic);
  if (problem !== undefined) throw new MillraceError('bad-topic', `"${topic}" ${problem}`);
}

/** As it goes on the wire; later changes of what the application gave do not count. */
function feedOptions({ filter, batch, slow }: SubscribeOptions): FeedOptions {
  const given = { filter, batch: batch === false ? undefined : batch, slow };
  const options = JSON.parse(JSON.stringify(given)) as FeedOptions;
  const { filter: written, ...others } = options;
  return written !== undefined && Object.keys(written).length === 0 ? others : options;
}

function connectionOptions(
  options: ClientOptions,
  platform: Platform,
  transport: Transport,
): ConnectionOptions {
  const { minDelayMs = 100, maxDelayMs = 1500, maxAttempts = Infinity } = options.reconnect ?? {};
  return {
    platform,
    token: options.token,
    machine: { minDelayMs, maxDelayMs, maxAttempts, stableMs: STABLE_MS },
    heartbeatMs: options.heartbeatMs ?? 30_000,
    timeoutMs: options.timeoutMs ?? 10_000,
    dial: transport.dial,
  };
}
