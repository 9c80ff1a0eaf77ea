import {
  type AckMessage,
  findPatternProblem,
  formatPosition,
  inboxOf,
  type MessageId,
  MillraceError,
  type SubscribedMessage,
  type SubscribeMessage,
  type UnsubscribeMessage,
} from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Dialect } from '../hub/dialect.ts';
import type { Opened, Start } from '../hub/opening.ts';
import { type Selection, selectionName, selectionOf } from '../hub/selection.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import type { SubscriptionOptions } from '../hub/subscription.ts';
import { INBOX_CONSUMER } from '../inbox/consumer-key.ts';
import type { Backlog } from './backlog.ts';
import { Sequence } from './sequence.ts';
import type { SessionHost } from './session-host.ts';
import type { DoorName } from './session-options.ts';
import { readSubscribe, readUnsubscribe } from './subscribe-request.ts';

/** What a subscription asks for beside what it selects and where it begins. */
export interface SessionSubscriptionOptions extends SubscriptionOptions {
  /** Whether the client is told `subscribed`. */
  readonly announce: boolean;
  readonly id?: MessageId;
  /** What its client called it. */
  readonly stream?: string | undefined;
  /** Reads one topic as this consumer of the user. */
  readonly consumer?: string | undefined;
  /**
   * The client cannot acknowledge: what its transport confirms counts as such, and the user's own inbox is read as its
   * consumer although none is named.
   */
  readonly confirmed?: boolean;
}

/** Answers a message with an error. */
export type Failing = (
  id: MessageId | undefined,
  error: unknown,
  details?: Readonly<Record<string, unknown>>,
) => void;

export interface SessionSubscriptionsOptions {
  /** The session's. */
  readonly id: string;
  readonly door: DoorName;
  readonly identity: Identity;
  readonly subscriber: Subscriber;
  /** What a client that names a `stream` is spoken to in, where there is such a dialect. */
  readonly flatDialect: Dialect | undefined;
  readonly backlog: Backlog;
  readonly fail: Failing;
}

/** What a `subscribe` or `unsubscribe` counts in the session's backlog: 64 of them may wait. */
const CONTROL_WORK = 16;
/** Names of former subscriptions that a session remembers. */
const MAX_FORMER = 32;

/** What an open session follows: subscribing, unsubscribing, acknowledging, and what its token permits of that. */
export class SessionSubscriptions {
  readonly #options: SessionSubscriptionsOptions;
  readonly #host: SessionHost;
  #identity: Identity;
  #stopped = false;
  #resumed = false;
  /** What it unsubscribed from; clients do so before they close. */
  #former: Set<string> | undefined = undefined;
  /** Subscribing and unsubscribing happen one after the other. */
  readonly #control: Sequence = new Sequence();

  constructor(options: SessionSubscriptionsOptions, host: SessionHost) {
    this.#options = options;
    this.#host = host;
    this.#identity = options.identity;
  }

  /** What was asked for, by name. */
  get names(): readonly string[] {
    const { subscriptions } = this.#options.subscriber;
    return subscriptions.filter(({ implicit }) => !implicit).map(({ name }) => name);
  }

  /** What was asked for so far, whether it still stands or not. */
  get everFollowed(): readonly string[] {
    return this.#former === undefined ? this.names : [...new Set([...this.names, ...this.#former])];
  }

  /** A fresh token says what is permitted from now on: what it does not permit ends ([AUTH-5]). */
  renew(identity: Identity): void {
    this.#identity = identity;
    const { subscriber } = this.#options;
    for (const { name: topic, patterns, implicit } of [...subscriber.subscriptions]) {
      if (implicit || patterns.every((pattern) => identity.permissions.maySubscribe(pattern))) continue;
      this.#host.inbox.leave(subscriber, topic);
      this.#host.hub.unsubscribe(subscriber, topic);
      const reason = 'the fresh token does not permit it';
      subscriber.tell({ type: 'unsubscribed', topic, code: 'forbidden', reason });
    }
  }

  /** The session is draining: nothing begins any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs an action after those that were asked for before; its failure is told to the client. */
  inOrder(id: MessageId | undefined, action: () => Promise<void> | void): void {
    const { backlog, fail } = this.#options;
    backlog.begin(CONTROL_WORK);
    this.#control.run(async () => {
      try {
        await action();
      } catch (error) {
        fail(id, error);
      } finally {
        backlog.end(CONTROL_WORK);
      }
    });
  }

  subscribeTo(message: SubscribeMessage): void {
    this.inOrder(message.id, () => this.#subscribeTo(message));
  }

  unsubscribe(message: UnsubscribeMessage): void {
    this.inOrder(message.id, () => this.#unsubscribe(message));
  }

  acknowledge({ id, topic, consumer, offset }: AckMessage): void {
    const { subscriber, fail } = this.#options;
    this.#host.inbox.acknowledge(subscriber, topic, consumer, offset).then(
      (acked) => {
        if (id !== undefined) subscriber.tell({ type: 'ok', id, result: { topic, consumer, acked } });
      },
      (error: unknown) => fail(id, error),
    );
  }

  /** Subscribes to what was checked to be topics and patterns. */
  async subscribe(selection: Selection, start: Start, options: SessionSubscriptionOptions): Promise<void> {
    if (this.#ended) return;
    const { subscriber } = this.#options;
    const identity = this.#identity;
    const patterns = selection.kind === 'topic' ? [selection.topic] : selection.patterns;
    for (const pattern of patterns) {
      if (identity.permissions.maySubscribe(pattern)) continue;
      throw new MillraceError('forbidden', `the token does not permit subscribing to "${pattern}"`);
    }
    this.#countResumed(start);
    const onOpened = (opened: Opened): void => {
      if (options.announce) subscriber.tell(subscribedMessage(selectionName(selection), opened, options));
    };
    const { hub, inbox } = this.#host;
    const consumer = consumerOf(selection, options, identity);
    if (consumer === undefined) {
      inbox.leave(subscriber, selectionName(selection));
      await hub.subscribe(subscriber, selection, start, options, onOpened);
      return;
    }
    await inbox.subscribe(subscriber, { ...options, ...consumer, owner: identity, resume: start }, onOpened);
  }

  get #ended(): boolean {
    return this.#stopped || this.#options.subscriber.closed;
  }

  async #subscribeTo(message: SubscribeMessage): Promise<void> {
    const { topics, stream, start, consumer, options } = readSubscribe(message, this.#host.aliases);
    if (stream !== undefined) this.#speakFlat();
    const isPlain = stream !== undefined || this.#options.door === 'bare';
    const cannotAcknowledge = isPlain && start.kind === 'now';
    for (const name of topics) {
      if (this.#ended) return;
      try {
        this.#assertPossible(name);
        await this.subscribe(selectionOf(name), start, {
          ...options,
          consumer,
          confirmed: cannotAcknowledge && consumer === undefined,
          announce: true,
          stream,
          ...(message.id !== undefined && { id: message.id }),
        });
      } catch (error) {
        // Each topic is answered by itself.
        this.#options.fail(message.id, error, stream === undefined ? { topic: name } : { stream });
      }
    }
  }

  /** Whoever names a `stream` is a plain client, which is sent flat events from now on ([PLAIN-2]). */
  #speakFlat(): void {
    const { subscriber, flatDialect } = this.#options;
    if (flatDialect === undefined)
      throw new MillraceError('not-supported', 'a MessagePack session has no streams; subscribe to a topic');
    this.#host.hub.changeDialect(subscriber, flatDialect);
  }

  /** The name is one, and there is room for it. */
  #assertPossible(name: string): void {
    const problem = findPatternProblem(name);
    if (problem !== undefined)
      throw new MillraceError('bad-topic', `topic ${JSON.stringify(name)} ${problem}`);
    const { maxSubscriptions } = this.#host.limits;
    const known = this.#options.subscriber.find(name);
    const isNew = known === undefined || known.implicit;
    if (!isNew || this.names.length < maxSubscriptions) return;
    this.#host.violations.byUser('too-many-subscriptions', this.#identity, this.#options.id);
    throw new MillraceError('too-many-subscriptions', `a session may have ${maxSubscriptions} subscriptions`);
  }

  #unsubscribe(message: UnsubscribeMessage): void {
    const { subscriber } = this.#options;
    if (subscriber.closed) return;
    const { id, stream } = message;
    const topic = readUnsubscribe(message, this.#host.aliases);
    this.#host.inbox.leave(subscriber, topic);
    // What was handed out before is written before the answer, and nothing after it.
    if (!this.#host.hub.unsubscribe(subscriber, topic)) {
      throw new MillraceError('not-subscribed', `there is no subscription to ${JSON.stringify(topic)}`);
    }
    this.#former ??= new Set();
    if (this.#former.size < MAX_FORMER) this.#former.add(topic);
    const code = 'client-request';
    subscriber.tell({
      type: 'unsubscribed',
      ...(id !== undefined && { id }),
      topic,
      ...(stream !== undefined && { stream }),
      code,
      reason: 'as asked',
    });
  }

  /** It came back, if it knows a place to go on from. */
  #countResumed({ kind }: Start): void {
    if (this.#resumed || (kind !== 'position' && kind !== 'cursor')) return;
    this.#resumed = true;
    this.#host.counters.countResumed();
    this.#host.watch.resumed(this.#identity);
  }
}

function subscribedMessage(
  topic: string,
  opened: Opened,
  { id, stream }: Pick<SessionSubscriptionOptions, 'id' | 'stream'>,
): SubscribedMessage {
  const { position, sealed, ...rest } = opened;
  return {
    type: 'subscribed',
    ...(id !== undefined && { id }),
    topic,
    ...(stream !== undefined && { stream }),
    ...(position !== undefined && { position: formatPosition(position) }),
    ...rest,
    ...(sealed && { sealed: true }),
  };
}

/** As which consumer a subscription reads which topic, where it does. Throws a `MillraceError` (`bad-topic`). */
function consumerOf(
  selection: Selection,
  { consumer, confirmed, filter, batch, slow }: SessionSubscriptionOptions,
  { userId }: Identity,
): { readonly topic: string; readonly consumer: string } | undefined {
  if (selection.kind === 'topic') {
    const { topic } = selection;
    if (consumer !== undefined) return { topic, consumer };
    // Whoever asks for what a consumer may not have does not mean to be one.
    const plain = filter === undefined && batch === undefined && slow === undefined;
    return confirmed && plain && topic === inboxOf(userId) ? { topic, consumer: INBOX_CONSUMER } : undefined;
  }
  if (consumer === undefined) return undefined;
  throw new MillraceError('bad-topic', 'a consumer reads one topic by its name, not a pattern');
}
