import {
  type ClientMessage,
  type CodeName,
  type CompiledFilter,
  compileFilter,
  DEFAULT_LIMITS,
  type EventMessage,
  hasWildcard,
  type Limits,
  MillraceError,
  matchesPattern,
  type PublishMessage,
  type PublishResult,
  parseFilter,
  parsePosition,
  type ServerMessage,
  type Since,
  type SnapshotMessage,
} from '@millrace/protocol';
import type { FakePlatform, FakeSocket } from './fake-platform.ts';

export interface Stored {
  readonly seq: number;
  readonly event: EventMessage;
}

export interface Refusal {
  readonly code: CodeName;
  /** Default: as the table says. */
  readonly retryable?: boolean;
  readonly details?: Record<string, unknown>;
}

interface FakeConsumer {
  readonly topic: string;
  readonly name: string;
  acked: number;
}

interface Session {
  readonly socket: FakeSocket;
  /** What it reads as a consumer, by topic. */
  readonly consumers: Map<string, FakeConsumer>;
  /** Up to which offset it was sent a topic that it reads as a consumer. */
  readonly sent: Map<string, number>;
  /** Topics and patterns, each with its filter. */
  readonly topics: Map<string, CompiledFilter | undefined>;
  token: string | undefined;
}

const CURSOR = /^d1\.(\d+)$/;

/** As much of a server as the SDK can notice: one log in memory, spoken to over fake sockets. */
export class FakeServer {
  readonly sessions = new Set<Session>();
  /** Tokens in the order in which they were presented. */
  readonly tokens: string[] = [];
  limits: Limits = DEFAULT_LIMITS;
  roles: readonly string[] = ['publisher'];
  needsToken = false;
  /** Refuses the next publications, subscriptions and acknowledgements, one after the other. */
  readonly refusals: Refusal[] = [];
  /** Stores publications but keeps the answer. */
  mute = false;
  readonly refuseSubscribe = new Map<string, CodeName>();
  /** How many of a topic's newest events come after its snapshot, as a replay. */
  snapshotsBehind = 0;
  readonly #platform: FakePlatform;
  readonly log: Stored[] = [];
  readonly #heads = new Map<string, { epoch: string; offset: number; sealed: boolean }>();
  readonly #trimmed = new Map<string, number>();
  readonly #results = new Map<string, PublishResult>();
  #trimmedSeq = 0;
  #seq = 0;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
    this.start();
  }

  start(): void {
    this.#platform.onSocket = (socket) => this.#accept(socket);
  }

  /** Answers no attempt any more; what is connected is cut. */
  stop(): void {
    this.#platform.onSocket = (socket) => socket.pushClose(1006);
    for (const { socket } of [...this.sessions]) socket.cut();
  }

  cutAll(): void {
    for (const { socket } of [...this.sessions]) socket.cut();
  }

  get cursor(): string {
    return `d1.${this.#seq}`;
  }

  send(message: ServerMessage | object): void {
    for (const { socket } of this.sessions) socket.push(message);
  }

  append(topic: string, data: unknown, more: Partial<PublishMessage> = {}): PublishResult {
    return this.#append({ type: 'publish', topic, event: 'test', data, ...more });
  }

  eventsOf(topic: string): EventMessage[] {
    return this.log.filter(({ event }) => event.topic === topic).map(({ event }) => event);
  }

  /** Acknowledgements in the order in which they came. */
  readonly acks: number[] = [];
  readonly #consumers = new Map<string, FakeConsumer>();

  /** How far a consumer has acknowledged. */
  acked(topic: string, name: string): number {
    return this.#consumer(topic, name).acked;
  }

  /** Sends again what sessions were sent and did not acknowledge. */
  redeliver(attempt: number): void {
    for (const { socket, consumers, sent } of this.sessions) {
      for (const { topic, acked } of consumers.values()) {
        const due = this.eventsOf(topic).filter(
          ({ offset }) => offset > acked && offset <= (sent.get(topic) ?? 0),
        );
        for (const event of due) socket.push({ ...event, attempt });
      }
    }
  }

  /** The consumer moves on: another device acknowledged, or messages were given up. */
  moveOn(topic: string, name: string, offset: number): void {
    const consumer = this.#consumer(topic, name);
    consumer.acked = Math.max(consumer.acked, offset);
    for (const { socket, consumers } of this.sessions) {
      if (consumers.get(topic) === consumer) {
        socket.push({ type: 'acked', topic, consumer: name, offset: consumer.acked });
      }
    }
  }

  #consumer(topic: string, name: string): FakeConsumer {
    const key = `${topic} ${name}`;
    const consumer = this.#consumers.get(key) ?? { topic, name, acked: 0 };
    this.#consumers.set(key, consumer);
    return consumer;
  }

  #acknowledge(session: Session, message: Extract<ClientMessage, { type: 'ack' }>): void {
    const { id, topic, offset, consumer: name } = message;
    const consumer = session.consumers.get(topic);
    if (this.#refusesNext(session, id)) return;
    if (consumer?.name !== name) this.#refuse(session, id, { code: 'not-subscribed' });
    else if (offset > (session.sent.get(topic) ?? 0)) this.#refuse(session, id, { code: 'ack-ahead' });
    else {
      this.acks.push(offset);
      consumer.acked = Math.max(consumer.acked, offset);
      session.socket.push({ type: 'ok', id, result: { topic, consumer: name, acked: consumer.acked } });
    }
  }

  /** Retention removes a topic's events up to an offset. */
  trim(topic: string, upTo: number): void {
    this.#trimmed.set(topic, upTo);
    const last = this.log.findLast(({ event }) => event.topic === topic && event.offset <= upTo);
    this.#trimmedSeq = Math.max(this.#trimmedSeq, last?.seq ?? 0);
  }

  /** The topic is deleted, and written anew in another epoch. */
  recreate(topic: string): void {
    const epoch = `${this.#head(topic).epoch}x`;
    this.#heads.set(topic, { epoch, offset: 0, sealed: false });
  }

  #accept(socket: FakeSocket): void {
    const session: Session = {
      socket,
      consumers: new Map(),
      sent: new Map(),
      topics: new Map(),
      token: undefined,
    };
    this.sessions.add(session);
    socket.accept({
      message: (text) => this.#receive(session, JSON.parse(text) as ClientMessage),
      closed: () => this.sessions.delete(session),
    });
    if (!this.needsToken) this.#welcome(session);
  }

  #welcome({ socket }: Session): void {
    socket.push({
      type: 'welcome',
      connectionId: `k${this.#platform.sockets.length}`,
      userId: 'ada',
      entityId: 'default',
      roles: this.roles,
      serverTime: new Date(this.#platform.now()).toISOString(),
      heartbeatMs: 30_000,
      limits: this.limits,
      protocol: 'millrace.v1.json',
    });
  }

  #receive(session: Session, message: ClientMessage): void {
    const { socket } = session;
    switch (message.type) {
      case 'auth':
        this.tokens.push(message.token);
        session.token = message.token;
        if (message.token === 'forged') socket.pushClose(4501, 'the signature is wrong');
        else if (message.token === 'expired') socket.pushClose(4003, 'the token expired');
        else this.#welcome(session);
        break;
      case 'subscribe':
        this.#subscribe(session, message);
        break;
      case 'unsubscribe': {
        const { topic = '' } = message;
        session.topics.delete(topic);
        session.consumers.delete(topic);
        session.sent.delete(topic);
        socket.push({
          type: 'unsubscribed',
          id: message.id,
          topic,
          code: 'client-request',
          reason: '',
        });
        break;
      }
      case 'publish':
        this.#publish(session, message);
        break;
      case 'ack':
        this.#acknowledge(session, message);
        break;
      case 'ping':
        socket.push({ type: 'pong', id: message.id, timestamp: this.#now() });
        break;
      default:
        this.#refuse(session, message.id, { code: 'not-supported' });
    }
  }

  #refusesNext(session: Session, id: unknown): boolean {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) this.#refuse(session, id, refusal);
    return refusal !== undefined;
  }

  #refuse({ socket }: Session, id: unknown, { code, retryable, details }: Refusal): void {
    socket.push({
      type: 'error',
      id,
      code,
      message: `refused: ${code}`,
      retryable: retryable ?? new MillraceError(code, code).retryable,
      timestamp: this.#now(),
      details,
    });
  }

  #publish(session: Session, message: PublishMessage): void {
    if (this.#refusesNext(session, message.id)) return;
    const result = this.#append(message);
    if (!this.mute) session.socket.push({ type: 'ok', id: message.id, result });
  }

  #head(topic: string): { epoch: string; offset: number; sealed: boolean } {
    return this.#heads.get(topic) ?? { epoch: 'e1', offset: 0, sealed: false };
  }

  #append({ topic, event, data, idempotencyKey, seal }: PublishMessage): PublishResult {
    const known = this.#results.get(`${topic} ${idempotencyKey}`);
    if (idempotencyKey !== undefined && known !== undefined) return { ...known, duplicate: true };
    const { epoch, offset: before } = this.#head(topic);
    const offset = before + 1;
    const id = `${epoch}-${topic}-${offset}`;
    const timestamp = this.#now();
    const sealed = seal === true ? { sealed: true as const } : {};
    const stored: EventMessage = {
      type: 'event',
      topic,
      event,
      id,
      offset,
      epoch,
      timestamp,
      data,
      ...sealed,
    };
    this.#heads.set(topic, { epoch, offset, sealed: seal === true });
    this.log.push({ seq: ++this.#seq, event: stored });
    const result = { topic, id, offset, epoch, timestamp };
    this.#results.set(`${topic} ${idempotencyKey}`, result);
    for (const session of this.sessions) this.#deliver(session, stored);
    return result;
  }

  #deliver({ topics, socket, sent }: Session, event: EventMessage): void {
    const matching = [...topics].filter(([pattern]) => matchesPattern(pattern, event.topic));
    if (topics.has(event.topic)) sent.set(event.topic, event.offset);
    if (matching.some(([, filter]) => passes(filter, event))) socket.push(event);
    else for (const [pattern] of matching) socket.push(this.#positionAt(pattern, event, this.cursor));
  }

  #positionAt(pattern: string, { epoch, offset }: EventMessage, cursor: string): ServerMessage {
    const place = hasWildcard(pattern) ? { cursor } : { position: `${epoch}:${offset}` };
    return { type: 'position', topic: pattern, ...place };
  }

  #subscribe(
    session: Session,
    { id, topic = '', since, filter, batch, consumer: name }: Extract<ClientMessage, { type: 'subscribe' }>,
  ): void {
    const code = this.refuseSubscribe.get(topic);
    if (code !== undefined) this.#refuse(session, id, { code });
    if (code !== undefined || this.#refusesNext(session, id)) return;
    if (since === 'snapshot') {
      session.topics.set(topic, undefined);
      this.#sendSnapshots(session, id, topic);
      return;
    }
    const { epoch, offset, sealed } = this.#head(topic);
    const consumer = name === undefined ? undefined : this.#consumer(topic, name);
    const begin = consumer === undefined ? since : { epoch, offset: consumer.acked };
    const replay = begin === undefined ? [] : this.#after(topic, begin);
    if (consumer !== undefined) {
      session.consumers.set(topic, consumer);
      session.sent.set(topic, offset);
    }
    const compiled = filter === undefined ? undefined : compileFilter(parseFilter(filter));
    session.topics.set(topic, compiled);
    session.socket.push({
      type: 'subscribed',
      id,
      topic,
      cursor: this.cursor,
      replayed: Array.isArray(replay) ? replay.length : 0,
      ...(hasWildcard(topic) ? {} : { position: `${epoch}:${offset}` }),
      ...(begin === undefined ? {} : { recovered: Array.isArray(replay) }),
      ...(Array.isArray(replay) ? {} : { reason: replay }),
      ...(sealed ? { sealed: true } : {}),
    });
    if (!Array.isArray(replay)) return;
    const events = replay.filter((event) => passes(compiled, event));
    if (batch !== undefined) session.socket.push({ type: 'batch', events });
    else for (const event of events) session.socket.push(event);
    const last = replay.at(-1);
    if (compiled !== undefined && last !== undefined) {
      session.socket.push(this.#positionAt(topic, last, this.cursor));
    }
  }

  /** The state of a topic is the data of all of its events. */
  #sendSnapshots({ socket }: Session, id: unknown, topic: string): void {
    const { epoch, offset, sealed } = this.#head(topic);
    const topics = hasWildcard(topic)
      ? [...this.#heads.keys()].filter((each) => matchesPattern(topic, each))
      : [topic];
    const behind = hasWildcard(topic) ? 0 : Math.min(offset, this.snapshotsBehind);
    const place = hasWildcard(topic) ? {} : { position: `${epoch}:${offset}` };
    const more = { cursor: this.cursor, recovered: true, replayed: behind, snapshots: topics.length };
    const end = sealed ? { sealed: true } : {};
    socket.push({ type: 'subscribed', id, topic, ...more, ...place, ...end });
    for (const each of topics) socket.push(this.snapshotOf(each, hasWildcard(topic) ? 0 : behind));
    if (behind > 0) for (const event of this.#eventsNow(topic).slice(-behind)) socket.push(event);
  }

  snapshotOf(topic: string, behind = 0): SnapshotMessage {
    const { epoch, offset } = this.#head(topic);
    const state = this.#eventsNow(topic)
      .slice(0, offset - behind)
      .map(({ data }) => data);
    return { type: 'snapshot', topic, view: 'list', position: `${epoch}:${offset - behind}`, state };
  }

  #eventsNow(topic: string): EventMessage[] {
    return this.eventsOf(topic).filter(({ epoch }) => epoch === this.#head(topic).epoch);
  }

  #after(topic: string, since: Since): EventMessage[] | 'expired' | 'epoch' {
    const matching = this.log.filter(({ event }) => {
      return matchesPattern(topic, event.topic) && event.offset > (this.#trimmed.get(event.topic) ?? 0);
    });
    const events = matching.map(({ event }) => event);
    if (since === 'earliest') return events;
    if (typeof since === 'object' && 'last' in since) return events.slice(-since.last);
    if (typeof since === 'object' && 'time' in since)
      return events.filter(({ timestamp }) => timestamp >= since.time);
    const cursor = typeof since === 'string' ? CURSOR.exec(since) : null;
    if (cursor !== null) {
      const seq = Number(cursor[1]);
      if (seq < this.#trimmedSeq) return 'expired';
      return matching.filter((stored) => stored.seq > seq).map(({ event }) => event);
    }
    const position = typeof since === 'string' ? parsePosition(since) : since;
    if (position === undefined || !('epoch' in position))
      throw new Error(`bad position ${JSON.stringify(since)}`);
    if (position.epoch !== this.#head(topic).epoch) return 'epoch';
    if (position.offset < (this.#trimmed.get(topic) ?? 0)) return 'expired';
    return events.filter(({ epoch, offset }) => epoch === position.epoch && offset > position.offset);
  }

  #now(): string {
    return new Date(this.#platform.now()).toISOString();
  }
}

function passes(filter: CompiledFilter | undefined, event: EventMessage): boolean {
  return filter === undefined || filter.matches({ ...event, data: () => event.data });
}
