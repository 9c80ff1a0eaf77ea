import type { MillraceEvents } from '@millrace/catalog';
import type { View } from '@millrace/catalog/views';
import type {
  CodeName,
  MillraceError,
  MillraceEvent,
  Priority,
  PublishResult,
  RecoveryFailure,
  Since,
  SubscribeMessage,
} from '@millrace/protocol';
import type { ConsumeOptions, Consumer, InboxOptions } from './consumer-types.ts';
import type { EventFilter } from './event-filter.ts';
import type { Platform } from './platform.ts';
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
import type { LiveView } from './view-types.ts';

/** Any event names, with data of any type. */
export type AnyCatalog = Record<string, unknown>;

/**
 * What a client without a catalog of its own meets: the events of Millrace's families with their types, and any others.
 * An application that has events of its own declares them: known names alone are then allowed.
 *
 * ```ts
 * type Events = MillraceEvents & { 'order.shipped': { order_id: string } };
 * const client = createClient<Events>({ url: 'https://example.org', token });
 * ```
 *
 * A catalog exists at compile time only: the SDK does not check what the server sends against it.
 */
export type OpenCatalog = MillraceEvents & AnyCatalog;

/** One event of a catalog. */
export interface CatalogEvent<Name extends string, Data> extends MillraceEvent<Data> {
  readonly event: Name;
}

/**
 * Stands for all names that a catalog does not have, so that the others can be told apart by them: no real name has
 * this form. To compare with a name of your own, declare it in the catalog.
 */
export type UndeclaredName = `${string} (not in the catalog)`;

type DeclaredName<Catalog> = keyof {
  [Name in keyof Catalog as string extends Name ? never : Name]: true;
} &
  string;

/** Of a catalog that allows any name: an event of another name than those it declares. */
type UndeclaredEvent<Catalog> = string extends keyof Catalog
  ? CatalogEvent<
      [DeclaredName<Catalog>] extends [never] ? string : UndeclaredName,
      Catalog[keyof Catalog & string]
    >
  : never;

/** All events of a catalog, as a union that `event` tells apart. */
export type EventOf<Catalog extends object> =
  | { [Name in DeclaredName<Catalog>]: CatalogEvent<Name, Catalog[Name]> }[DeclaredName<Catalog>]
  | UndeclaredEvent<Catalog>;

/** A token, or what gives one; a function is asked afresh for every connection and before the token expires. */
export type TokenSource = string | (() => string | Promise<string>);

export type TransportName = 'websocket' | 'sse';

export interface ReconnectOptions {
  /** Upper bound of the first random delay; it doubles with each failed attempt. Default 100. */
  readonly minDelayMs?: number | undefined;
  /**
   * Upper bound of every delay. Default 1,500, so that a client is back within two seconds of the server.
   * The first attempt after a connection was lost is made at once; the others wait a random time below their bound.
   */
  readonly maxDelayMs?: number | undefined;
  /** Failed attempts in a row after which the client gives up (`reconnect_failed`). Default `Infinity`. */
  readonly maxAttempts?: number | undefined;
}

export interface OfflineQueueOptions {
  /** Publications that may wait for their answer; one more is rejected with `overloaded`. Default 1,000. */
  readonly maxMessages?: number | undefined;
  /** How long a publication may wait to be sent before it is rejected with `unavailable`. Default: any time. */
  readonly maxAgeMs?: number | undefined;
}

/** Reads data of an event's earlier versions as the newest; a `Catalog` of `@millrace/catalog` is one. */
export interface EventReader {
  upcast(event: string, data: unknown): unknown;
}

export interface ClientOptions {
  /** Base of the server, `http(s)://` or `ws(s)://`, with the path prefix of a proxy if there is one. */
  readonly url: string;
  readonly token?: TokenSource | undefined;
  /** Default `auto`: WebSocket, and server-sent events where WebSocket is blocked but HTTP is not. */
  readonly transport?: 'auto' | TransportName | undefined;
  readonly reconnect?: ReconnectOptions | undefined;
  readonly offlineQueue?: OfflineQueueOptions | undefined;
  /** How often a ping asks whether the connection lives. Default 30,000. */
  readonly heartbeatMs?: number | undefined;
  /**
   * `createCatalog(families)` of `@millrace/catalog`, where events have earlier versions: they then come as the newest
   * version has them. Default: events come as they were published.
   */
  readonly catalog?: EventReader | undefined;
  /** How long an attempt to connect, or an answer to a ping, may take before the state is `timeout`. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Clock, randomness, WebSocket and fetch. Default: the globals of the browser or Node. */
  readonly platform?: Platform | undefined;
}

/**
 * - `connecting`: an attempt is under way.
 * - `connected`: the server has welcomed the client; subscriptions are resumed and publications sent.
 * - `disconnected`: the connection was lost and another attempt follows; or {@link Client.close} was called.
 * - `connect_error`: an attempt failed and another follows.
 * - `timeout`: the server did not answer in time and another attempt follows.
 * - `reconnect_failed`: the server told the client not to come back, or the attempts are used up.
 *   Only {@link Client.connect} begins again.
 */
export type ConnectionState =
  | 'connecting'
  | 'connected'
  | 'disconnected'
  | 'connect_error'
  | 'reconnect_failed'
  | 'timeout';

/** What the server said in its welcome. */
export interface SessionInfo {
  readonly connectionId: string;
  readonly userId: string;
  readonly entityId: string;
  readonly roles: readonly string[];
}

export interface ClientEvents {
  readonly state: ConnectionState;
  /**
   * Why an attempt failed, the server closed, or a token could not be had: the client goes on by itself where it can. Also
   * why an event of a tracker was refused, for which nobody waits.
   */
  readonly error: MillraceError;
  /**
   * Sent to everyone, to this user or to this session, and read by no subscription of this client. Live only: what was
   * sent while there was no connection is in the user's inbox ({@link Client.inbox}), if it was sent to the user.
   */
  readonly direct: MillraceEvent;
}

export interface PublishOptions {
  /** The record this event is a new state of. */
  readonly key?: string | undefined;
  /** Repeats with this key are stored once. Default: a random one, so that the SDK itself may repeat. */
  readonly idempotencyKey?: string | undefined;
  /** Append only if the topic's head is this offset, or this position (`epoch:offset`); else `conflict`. */
  readonly expectOffset?: number | string | undefined;
  /** Append only if the topic has seen no higher token of this lease; else `fenced`. */
  readonly fence?: { readonly name: string; readonly token: number } | undefined;
  /** Close the topic with this event. */
  readonly seal?: boolean | undefined;
  readonly priority?: Priority | undefined;
  /** Who or what publishes, for the readers. */
  readonly source?: string | undefined;
}

/** What the server does for a reader that is slower than its events: see {@link SubscribeOptions.slow}. */
export type SlowPolicy = NonNullable<SubscribeMessage['slow']>;

export interface BatchOptions {
  /** Events of one message at most. Default 10. */
  readonly maxEvents?: number | undefined;
  /** How long an event may wait for others. Default 100. */
  readonly maxDelayMs?: number | undefined;
}

export interface SubscribeOptions {
  /**
   * Where reading begins: a position, a cursor, `"earliest"`, `{last: n}` or `{time: <ISO 8601>}`. Default: now.
   * After a lost connection a subscription always continues where it stopped.
   *
   * `"snapshot"`: with the state of the topic, or of each topic of the pattern, told by `on('snapshot', …)`, and everything
   * that follows it as events. When something was missed, a new snapshot takes the place of a `gap`.
   */
  readonly since?: Since | undefined;
  /** Which events are wanted: the server sends no others, live or as history. Default: all. */
  readonly filter?: EventFilter | undefined;
  /**
   * Lets the server collect events and send several as one message: fewer bytes and wake-ups, for some delay. `true`
   * for its defaults. The events arrive one by one all the same. Over SSE it has no effect.
   */
  readonly batch?: boolean | BatchOptions | undefined;
  /**
   * What the server does when this client reads slower than events come: `catchup` sends all of them from the log,
   * later; `drop-oldest` and `conflate` (which keeps the newest of each `key`) leave events out and say so by a `gap`
   * of reason `slow` or `conflated`; `disconnect` closes the connection. Default: what the topic's namespace is configured for.
   * It is about a client that does not read its connection. A loop that is slow keeps `maxBufferedEvents` waiting instead.
   */
  readonly slow?: SlowPolicy | undefined;
  /**
   * How many events may wait for a slow `for await`. Beyond it the SDK stops reading the topic and, when half of
   * them have been taken, reads on from the log where it stopped: memory stays bounded and no event is lost, as
   * long as retention keeps it (otherwise `gap`). Default 1,000.
   */
  readonly maxBufferedEvents?: number | undefined;
}

/**
 * Events were missed and will not come: reload what you derive from them. Told at once, while events from before the
 * gap may still wait for a slow loop.
 */
export interface Gap {
  /** The subscription's topic or pattern; the topic itself where the server names one. */
  readonly topic: string;
  /** `slow` and `conflated`: this reader was slower than the events, and its policy (`slow`) leaves events out. */
  readonly reason: RecoveryFailure | CodeName;
  /** The first and last offset left out, and how many events that is, where the server knows. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly count?: number | undefined;
}

/** The server's answer to a subscription; given again after each reconnection. */
export interface Subscribed {
  readonly topic: string;
  /** The topic's head (`epoch:offset`): an event at or before it is history. Missing for a pattern, and over SSE. */
  readonly position: string | undefined;
  /** How many events follow as history. Over SSE this is not known, and 0. */
  readonly replayed: number;
  /** Whether everything after `since` follows; `undefined` when reading begins now. */
  readonly recovered: boolean | undefined;
}

export interface Lag {
  /** Events that the server has yet to send, because this client reads slower than they come; 0: live again. */
  readonly behind: number;
}

/** What a topic's events add up to, by the view that the server's catalog has for it. */
export interface Snapshot {
  readonly topic: string;
  /** The view's name. */
  readonly view: string;
  /** Everything up to it is in `state` (`epoch:offset`); events of the topic that still waited are given up. */
  readonly position: string;
  readonly state: unknown;
}

export interface SubscriptionEvents<Catalog extends object> {
  readonly event: EventOf<Catalog>;
  /** With `since: 'snapshot'`: before the events that follow it, and again where events were missed. */
  readonly snapshot: Snapshot;
  readonly gap: Gap;
  readonly subscribed: Subscribed;
  readonly lag: Lag;
  /** The topic is closed and its last event has been delivered: no more follow. */
  readonly sealed: { readonly topic: string };
  /** The subscription was refused or ended by the server: no more events follow. */
  readonly error: MillraceError;
  /** The subscription has ended, for whatever reason. */
  readonly closed: { readonly topic: string };
}

/**
 * One reader of a topic or pattern. Every event reaches it once and, within its topic, in order, across lost
 * connections and restarts of the server.
 *
 * Take events with `for await` (one loop a subscription; leaving the loop closes it) or with `on('event', …)`. Events
 * that come before either is there wait, up to `maxBufferedEvents`. Listeners are not waited for.
 *
 * The loop ends after the event that seals the topic, and when the subscription or client is closed. It throws a
 * `MillraceError` when the subscription is refused, and when the client gives up (`reconnect_failed`).
 */
export interface Subscription<Catalog extends object = AnyCatalog> extends AsyncIterable<EventOf<Catalog>> {
  /** The topic or pattern. */
  readonly topic: string;
  /**
   * Place (`epoch:offset`) of the last event handed to the application, or where reading began without history;
   * `undefined` until then, and for a pattern.
   */
  readonly position: string | undefined;
  /**
   * A place to resume a topic or pattern from: everything up to it has been handed to the application. It moves in
   * steps, so that resuming from it in another client may repeat some events, and never misses one.
   */
  readonly cursor: string | undefined;
  readonly closed: boolean;
  /** Calls `listener` for what happens; returns its own undo. */
  on<Name extends keyof SubscriptionEvents<Catalog>>(
    name: Name,
    listener: (value: SubscriptionEvents<Catalog>[Name]) => void,
  ): () => void;
  /** Ends the subscription. Idempotent. */
  close(): void;
}

/**
 * A connection to one server that mends itself. {@link createClient} makes one. Without a type argument it is any client,
 * whatever its catalog: what takes one to use it, says `Client`.
 */
export interface Client<Catalog extends object = AnyCatalog> {
  readonly state: ConnectionState;
  /** Which transport is in use; `auto` may change it. */
  readonly transport: TransportName;
  /** Who the server says this is; `undefined` until connected, and over SSE. */
  readonly session: SessionInfo | undefined;
  /** How long the last ping took; `undefined` until the first has been answered. */
  readonly roundTripMs: number | undefined;
  /** Why the client gave up, while the state is `reconnect_failed`. */
  readonly failure: MillraceError | undefined;
  /** Calls `listener` for what happens; returns its own undo. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void;
  /**
   * Reads a topic or pattern. Throws a `MillraceError` (`bad-topic`) at once for what is neither.
   *
   * ```ts
   * for await (const event of client.topic('task.build-7', { since: 'earliest' })) {
   *   if (event.event === 'task.progress') console.log(event.data.progress);
   * }
   * ```
   */
  topic(topicOrPattern: string, options?: SubscribeOptions): Subscription<Catalog>;
  /**
   * Keeps the state of a topic current. `view` must be the one that the server has for the topic; those of Millrace's
   * families are in `@millrace/catalog/views`. Each call reads the topic by itself: where several look at one, share it.
   *
   * ```ts
   * for await (const { progress, etaSeconds } of client.view('task.build-7', taskView)) show(progress, etaSeconds);
   * ```
   */
  view<State>(topic: string, view: View<State>): LiveView<State>;
  /**
   * Reads the user's own inbox with acknowledgements: what was sent to the user while no device was connected comes too,
   * in order. See {@link Consumer}.
   */
  inbox(options?: InboxOptions): Consumer<Catalog>;
  /** Reads any topic as {@link inbox} does, as a consumer of that name. Throws a `MillraceError` for what is no topic. */
  consume(topic: string, options: ConsumeOptions): Consumer<Catalog>;
  /**
   * Appends one event and resolves when it is stored. Publications are sent in the order of the calls, and while
   * there is no connection they wait. Rejects with a `MillraceError`:
   *
   * - what the server refuses with (`forbidden`, `conflict`, `sealed`, …), except `rate-limited`, `overloaded`,
   *   `unavailable` and `storage-full`, which are repeated;
   * - `overloaded` at once when `offlineQueue.maxMessages` wait already;
   * - `unavailable` when it was never stored: `maxAgeMs` went by, the client was closed or gave up;
   * - `unknown` when it was sent and no answer could be had.
   */
  publish<Name extends keyof Catalog & string>(
    topic: string,
    event: Name,
    data: Catalog[Name],
    options?: PublishOptions,
  ): Promise<PublishResult>;
  /**
   * Begins a task on a topic of its own, `task.<id>`, and tells how it comes along: progress, time left, steps, end. With
   * `run`, the task lives as long as that function and ends as it ends: an error is reported and passed on. Work never
   * waits for the server: while that is away, the newest state waits.
   *
   * ```ts
   * await client.progress({ name: 'Import', totalSteps: files.length }, async (task) => {
   *   for (const [i, file] of files.entries()) {
   *     task.update(i, { currentStep: file });
   *     await load(file);
   *   }
   * });
   * ```
   *
   * In Node, a task that is not at its end when the process ends is reported as failed, as far as that can be done: after
   * a signal, `process.exit` or an uncaught error, not after `SIGKILL` or a power cut. Close the client after its tasks.
   */
  progress(options: ProgressOptions): Promise<TaskTracker>;
  progress<Result>(
    options: ProgressOptions,
    run: (task: TaskTracker) => Result | Promise<Result>,
  ): Promise<Result>;
  /** Begins a scan on `scan.<id>`, as {@link progress} does a task. */
  scan(options: ScanOptions): Promise<ScanTracker>;
  scan<Result>(options: ScanOptions, run: (scan: ScanTracker) => Result | Promise<Result>): Promise<Result>;
  /** Begins a workflow on `workflow.<id>`, as {@link progress} does a task. */
  workflow(options: WorkflowOptions): Promise<WorkflowTracker>;
  workflow<Result>(
    options: WorkflowOptions,
    run: (workflow: WorkflowTracker) => Result | Promise<Result>,
  ): Promise<Result>;
  /** Tells how an agent fares, on the board of all agents. */
  agent(options: AgentOptions): Promise<AgentReporter>;
  /** Tries to connect now: cuts a delay short, and begins again after `reconnect_failed`. */
  connect(): void;
  /** Ends all subscriptions and the connection, and rejects what waits. Idempotent. */
  close(): void;
}
