import {
  type ClientMessage,
  CODE_TABLE,
  CODES,
  type CodeName,
  inboxOf,
  type MessageId,
  MillraceError,
  type PublishMessage,
  sessionTopicOf,
} from '@millrace/protocol';
import { checkClientMessage } from '@millrace/protocol/client-message';
import type { Identity } from '../auth/identity.ts';
import { selects } from '../hub/selection.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import { Backlog } from './backlog.ts';
import { EarlyMessages } from './early-messages.ts';
import { errorMessage } from './error-message.ts';
import { type MessageRate, tooFast } from './message-rate.ts';
import { Publications } from './publications.ts';
import type { SessionHost } from './session-host.ts';
import type { DoorName, SessionOptions } from './session-options.ts';
import { type Failing, SessionSubscriptions } from './session-subscriptions.ts';
import type { Timed } from './timing-wheel.ts';

interface OpenState {
  readonly kind: 'open' | 'draining';
  readonly identity: Identity;
  readonly subscriber: Subscriber;
  readonly subscriptions: SessionSubscriptions;
}

type State =
  | {
      readonly kind: 'authenticating';
      readonly deadlineMs: number;
      readonly early: EarlyMessages;
    }
  | OpenState
  | { readonly kind: 'closed'; readonly code: number };

/** How long a client that is disconnected for abuse has to read why. */
const ABUSE_GRACE_MS = 1000;

/** One connected client, whatever its door: who it is, what it may do, how fast, and how far it has read. */
export class Session implements Timed {
  readonly id: string;
  readonly door: DoorName;
  /** Milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  readonly #options: SessionOptions;
  readonly #host: SessionHost;
  #state: State;
  /** From its first message on; `undefined` before, and for who is not limited. */
  #rate: MessageRate | undefined;
  #unlimited = false;
  /** Monotonic ms. */
  readonly #acceptedMs: number;
  #heardMs: number;
  #lifetimeEndMs: number;
  #verifying = false;
  readonly #backlog: Backlog;
  readonly #publications: Publications;
  #toldCursor = '';
  #messages = 0;

  constructor(options: SessionOptions, host: SessionHost) {
    this.id = options.id;
    this.door = options.door;
    this.#options = options;
    this.#host = host;
    this.connectedAt = host.clock.now();
    const now = host.clock.monotonic();
    this.#acceptedMs = options.acceptedMs ?? now;
    this.#heardMs = now;
    this.#lifetimeEndMs = now + host.times.lifetimeMs;
    this.#rate = undefined;
    this.#backlog = new Backlog(options.socket);
    this.#publications = new Publications(host.publisher, this.#backlog);
    const deadlineMs = this.#acceptedMs + host.times.authTimeoutMs;
    this.#state = { kind: 'authenticating', deadlineMs, early: new EarlyMessages(host.maxEarlyBytes) };
    host.wheel.add(this, Math.min(deadlineMs, now + host.times.heartbeatMs));
  }

  get state(): State['kind'] | 'lagging' {
    if (this.#state.kind === 'open' && this.#state.subscriber.slow) return 'lagging';
    return this.#state.kind;
  }

  get identity(): Identity | undefined {
    return this.#state.kind === 'open' || this.#state.kind === 'draining' ? this.#state.identity : undefined;
  }

  get subscriptions(): readonly string[] {
    return 'subscriptions' in this.#state ? this.#state.subscriptions.names : [];
  }

  /** Events that it has yet to get because it is slow, as far as is known. */
  get behind(): number {
    return this.#subscriber?.behind ?? 0;
  }

  /** Whether one of its subscriptions selects the topic. */
  follows(topic: string): boolean {
    return this.#subscriber?.subscriptions.some(({ selection }) => selects(selection, topic)) ?? false;
  }

  /** Messages that the client has sent. */
  get messages(): number {
    return this.#messages;
  }

  get remoteAddress(): string {
    return this.#options.socket.remoteAddress;
  }

  /** As the socket says it, while there is one. */
  get unfinishedBytes(): number | undefined {
    return this.#state.kind === 'closed' ? undefined : this.#options.socket.unfinishedBytes;
  }

  /** When the client was last heard, in ms since the Unix epoch. */
  get lastActivity(): number {
    const { clock } = this.#host;
    return Math.round(clock.now() - (clock.monotonic() - this.#heardMs));
  }

  get #subscriber(): Subscriber | undefined {
    return this.#state.kind === 'open' || this.#state.kind === 'draining'
      ? this.#state.subscriber
      : undefined;
  }

  /** Opens the session for an identity. Messages that come meanwhile wait. Never rejects: it ends what it cannot open. */
  async open(identity: Identity): Promise<void> {
    this.#verifying = true;
    try {
      await this.#open(identity);
    } catch (error) {
      const known = error instanceof MillraceError ? error : undefined;
      if (known === undefined) this.#host.onError(error, 'opening a session');
      this.end(known?.code ?? 'internal', known?.message ?? 'the session could not be opened');
    } finally {
      this.#verifying = false;
    }
  }

  async #open(identity: Identity): Promise<void> {
    const { hub } = this.#host;
    const { dialect, socket } = this.#options;
    const subscriber = await hub.attach(identity.entityId, {
      dialect,
      sink: socket,
      direct: [inboxOf(identity.userId), sessionTopicOf(this.id)],
      end: (code, reason) => this.end(code, reason),
    });
    if (this.#state.kind !== 'authenticating') {
      hub.detach(subscriber);
      return;
    }
    const { early } = this.#state;
    try {
      this.#host.onIdentified(identity);
    } catch (error) {
      hub.detach(subscriber);
      throw error;
    }
    const subscriptions = new SessionSubscriptions(
      {
        id: this.id,
        door: this.door,
        identity,
        subscriber,
        flatDialect: this.#options.flatDialect,
        backlog: this.#backlog,
        fail: this.#fail,
      },
      this.#host,
    );
    this.#become({ kind: 'open', identity, subscriber, subscriptions });
    this.#host.counters.countOpened();
    this.#host.watch.opened(this, identity, this.#host.clock.monotonic() - this.#acceptedMs);
    this.#welcome(identity, subscriber);
    const { opened } = this.#options;
    if (opened !== undefined) subscriptions.inOrder(undefined, () => opened(subscriptions));
    for (const [data, isBinary] of early.take()) this.receive(data, isBinary);
  }

  /** Takes one message. */
  receive(data: Buffer, isBinary: boolean): void {
    if (this.#state.kind === 'closed') return;
    const now = this.#host.clock.monotonic();
    this.#heardMs = now;
    this.#messages++;
    this.#host.counters.messagesReceived++;
    if (this.#state.kind === 'authenticating') {
      const { early } = this.#state;
      if (!this.#admitEarly(early, data)) return;
      if (this.#verifying) {
        early.keep(data, isBinary);
        return;
      }
    }
    let id: MessageId | undefined;
    try {
      // What comes too fast is read all the same, so that the answer has its id.
      const waitMs = this.#take(now);
      const value = this.#options.decode(data, isBinary);
      id = idOf(value);
      if (waitMs > 0) throw tooFast(waitMs);
      this.#handle(checkClientMessage(value));
    } catch (error) {
      this.#fail(id, error);
    }
  }

  /** The peer gave a sign of life. */
  heard(): void {
    this.#heardMs = this.#host.clock.monotonic();
  }

  /**
   * A control frame came that nobody asked for. It counts as a message ([LIM-3], [LIM-7]); false when it came too early,
   * and gets no answer.
   */
  heardUnasked(payload: Buffer): boolean {
    if (this.#state.kind === 'closed') return false;
    const now = this.#host.clock.monotonic();
    this.#heardMs = now;
    if (this.#state.kind === 'authenticating') return this.#admitEarly(this.#state.early, payload);
    return this.#take(now) === 0;
  }

  /** The peer answered for bytes in flight. */
  relieved(): void {
    this.#subscriber?.relieved();
  }

  /** The socket is gone. */
  socketClosed(code: number): void {
    this.#close(code);
    this.#host.onGone(this);
  }

  /** Closes with a code of the table, after what was written. */
  end(code: CodeName, reason: string): void {
    if (this.#state.kind === 'closed') return;
    this.#subscriber?.flush();
    const close = closeNumber(code);
    this.#close(close, reason);
    // Whoever floods is not read until it takes part in a closing handshake.
    if (code === 'abuse') this.#options.socket.drop(close, reason, ABUSE_GRACE_MS);
    else this.#options.socket.close(close, reason);
  }

  /** The same for a client that is not expected to take part: it is told, and not waited for. */
  drop(code: CodeName, reason: string): void {
    if (this.#state.kind === 'closed') return;
    const close = closeNumber(code);
    this.#close(close, reason);
    this.#options.socket.drop(close, reason, 0);
  }

  /** Lets go of the connection at once. */
  destroy(): void {
    this.#close(1006);
    this.#options.socket.destroy();
  }

  #close(code: number, reason?: string): void {
    if (this.#state.kind === 'closed') return;
    const { identity } = this;
    const topics = 'subscriptions' in this.#state ? this.#state.subscriptions.everFollowed : [];
    const subscriber = this.#subscriber;
    this.#state = { kind: 'closed', code };
    if (subscriber !== undefined) {
      this.#host.inbox.leaveAll(subscriber);
      this.#host.hub.detach(subscriber);
    }
    this.#host.onClosed(this, code, identity);
    this.#host.watch.closed(this, { code, reason, identity, topics });
  }

  /** Says that the server goes away, lets publications under way finish, and closes. */
  async drain(reason: string, retryAfterMs: number): Promise<void> {
    if (this.#state.kind === 'open') {
      const { subscriber, subscriptions } = this.#state;
      this.#state = { ...this.#state, kind: 'draining' };
      subscriptions.stop();
      subscriber.tell({ type: 'closing', code: 'draining', reason, retryAfterMs });
      await this.#publications.idle();
    }
    this.end('draining', reason);
  }

  onDue(now: number): number | undefined {
    const { times } = this.#host;
    if (this.#state.kind === 'closed') return undefined;
    if (this.#state.kind === 'authenticating') {
      if (now < this.#state.deadlineMs) return this.#state.deadlineMs;
      if (!this.#verifying) this.#host.violations.byAddress('no-token-in-time', this.remoteAddress);
      this.drop('auth-timeout', 'no valid token came in time');
      return undefined;
    }
    const silentMs = now - this.#heardMs;
    if (this.#state.identity.expiresAt <= this.#host.clock.now())
      this.end('token-expired', 'the token has expired');
    else if (now >= this.#lifetimeEndMs)
      this.end('session-expired', 'the session reached its longest lifetime');
    else if (silentMs >= times.idleTimeoutMs) this.end('heartbeat-timeout', 'nothing was heard for too long');
    else {
      if (silentMs >= times.heartbeatMs) {
        this.#options.socket.ping();
        this.#tellPosition(this.#state.subscriber);
      }
      return this.#nextDue(now, this.#state.identity);
    }
    return undefined;
  }

  #nextDue(now: number, identity: Identity): number {
    const { clock, times } = this.#host;
    const expiresMs = now + identity.expiresAt - clock.now();
    const silenceMs = this.#heardMs + times.heartbeatMs;
    return Math.min(
      silenceMs > now ? silenceMs : now + times.heartbeatMs,
      this.#heardMs + times.idleTimeoutMs,
      this.#lifetimeEndMs,
      expiresMs,
    );
  }

  #become(state: OpenState): void {
    const { identity } = state;
    const { rates, clock, wheel } = this.#host;
    const now = clock.monotonic();
    const limits = rates.limitsOf(identity.roles);
    this.#unlimited = limits === undefined;
    // A fresh token is no fresh allowance.
    if (limits !== undefined && this.#rate?.limits !== limits) this.#rate = this.#rate?.under(limits, now);
    this.#state = state;
    this.#lifetimeEndMs = now + this.#host.times.lifetimeMs;
    // A short token is due before the wheel would look again.
    const untilExpiry = identity.expiresAt - clock.now();
    if (untilExpiry < this.#host.times.heartbeatMs) wheel.add(new Reminder(this), now + untilExpiry);
  }

  #welcome(identity: Identity, subscriber: Subscriber): void {
    const { clock, limits, rates, times } = this.#host;
    subscriber.tell({
      type: 'welcome',
      connectionId: this.id,
      userId: identity.userId,
      entityId: identity.entityId,
      roles: identity.roles,
      serverTime: new Date(clock.now()).toISOString(),
      heartbeatMs: times.heartbeatMs,
      limits: { ...limits, ...rates.limitsOf(identity.roles) },
      protocol: this.#options.protocol,
    });
  }

  #tellPosition(subscriber: Subscriber): void {
    if (subscriber.subscriptions.length === 0 || !subscriber.live) return;
    const cursor = subscriber.feed.cursor.cursorText();
    if (cursor === this.#toldCursor) return;
    this.#toldCursor = cursor;
    // It goes the way of the events before it: where they are to be read from the log, it must not overtake them.
    subscriber.tellPosition({ type: 'position', cursor });
  }

  /** Counts what comes before anybody is known, and ends the session when it is too much. */
  #admitEarly(early: EarlyMessages, data: Buffer): boolean {
    if (early.admit(data)) return true;
    this.#host.violations.byAddress('early-messages', this.remoteAddress);
    this.end('abuse', 'too much was sent before authentication');
    return false;
  }

  /** How many ms too early the client sends; 0 when it may. */
  #take(now: number): number {
    if (this.#unlimited) return 0;
    const { identity } = this;
    // Before anybody is known, bytes are counted instead.
    if (identity === undefined) return 0;
    this.#rate ??= this.#host.rates.open(identity.roles, now);
    const waitMs = this.#rate?.take(now) ?? 0;
    if (waitMs > 0) this.#host.violations.byUser('rate-limited', identity, this.id);
    return waitMs;
  }

  #handle(message: ClientMessage): void {
    if (message.type === 'auth') {
      void this.#authenticate(message.token, message.id);
      return;
    }
    if (this.#state.kind === 'authenticating') {
      throw new MillraceError('unauthorized', 'send {"type": "auth", "token": …} first');
    }
    if (this.#state.kind === 'closed') return;
    const { subscriber, subscriptions } = this.#state;
    switch (message.type) {
      case 'publish':
        this.#publish(message);
        break;
      case 'subscribe':
        subscriptions.subscribeTo(message);
        break;
      case 'unsubscribe':
        subscriptions.unsubscribe(message);
        break;
      case 'ping':
      case 'connection.heartbeat':
        subscriber.tell({
          type: message.type === 'ping' ? 'pong' : message.type,
          ...(message.id !== undefined && { id: message.id }),
          timestamp: new Date(this.#host.clock.now()).toISOString(),
        });
        break;
      case 'call':
        throw new MillraceError('unknown-method', `there is no method "${message.method}"`);
      case 'ack':
        subscriptions.acknowledge(message);
        break;
    }
  }

  async #authenticate(token: string, id: MessageId | undefined): Promise<void> {
    const { authenticator } = this.#host;
    this.#verifying = true;
    try {
      const identity = await authenticator.authenticate(token, { address: this.remoteAddress, headers: {} });
      if (this.#state.kind === 'authenticating') await this.open(identity);
      else if (this.#state.kind === 'open') this.#renew(identity, this.#state);
    } catch (error) {
      const known = error instanceof MillraceError ? error : undefined;
      if (known?.code === 'unauthorized') this.#host.violations.byAddress('bad-token', this.remoteAddress);
      if (this.#state.kind !== 'authenticating') this.#fail(id, error);
      else if (known?.code === 'token-expired') this.end('token-expired', known.message);
      else if (known?.code === 'unavailable') this.end('unavailable', known.message);
      else if (known !== undefined && known.code !== 'internal') this.end('unauthorized', known.message);
      else {
        this.#host.onError(error, 'authenticating a session');
        this.end('internal', 'the token could not be checked');
      }
    } finally {
      this.#verifying = false;
    }
  }

  #renew(identity: Identity, state: OpenState): void {
    if (identity.userId !== state.identity.userId || identity.entityId !== state.identity.entityId) {
      throw new MillraceError(
        'forbidden',
        'the fresh token is of another user or entity; open another connection',
      );
    }
    if (this.#host.authenticator.isRevoked(identity)) {
      throw new MillraceError('unauthorized', 'the fresh token was revoked');
    }
    state.subscriptions.renew(identity);
    this.#become({ ...state, identity });
    this.#welcome(identity, state.subscriber);
  }

  #publish(message: PublishMessage): void {
    const { identity } = this;
    if (identity === undefined) return;
    if (this.#state.kind === 'draining')
      throw new MillraceError(
        'draining',
        'nothing was stored: the server goes away; publish at the next connection',
      );
    const { id } = message;
    this.#publications.publish(
      identity,
      message,
      (outcome) => {
        if (outcome instanceof MillraceError) this.#fail(id, outcome);
        else if (id !== undefined) this.#subscriber?.tell({ type: 'ok', id, result: outcome });
      },
      (error) => this.#fail(id, error),
    );
  }

  readonly #fail: Failing = (id, error, details) => {
    let known: MillraceError;
    if (error instanceof MillraceError) known = error;
    else {
      this.#host.onError(error, 'handling a message');
      known = new MillraceError('internal', 'the server failed; its log has the cause');
    }
    this.#host.counters.countError(known.code);
    if (this.identity !== undefined) this.#host.watch.erred(this.identity);
    const message = errorMessage(known, { id, atMs: this.#host.clock.now(), ...(details && { details }) });
    if (this.#subscriber !== undefined) {
      this.#subscriber.tell(message);
      return;
    }
    const frame =
      this.#state.kind === 'authenticating' ? this.#options.dialect.encodeMessage(message) : undefined;
    if (frame !== undefined) this.#options.socket.write(frame);
  };
}

/** Looks a session up once more before the wheel would by itself. */
class Reminder implements Timed {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  onDue(now: number): undefined {
    this.#session.onDue(now);
  }
}

function closeNumber(code: CodeName): number {
  return CODE_TABLE[code].close ?? CODES.internal.close;
}

/** The id to repeat in the answer, even when the message turns out to be wrong otherwise. */
function idOf({ id }: Record<string, unknown>): MessageId | undefined {
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}
