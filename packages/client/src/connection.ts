import {
  type ClosingMessage,
  type CodeName,
  codeOfClose,
  MillraceError,
  type ServerMessage,
  STANDARD_CLOSE,
  shouldReconnect,
  type WelcomeMessage,
} from '@millrace/protocol';
import {
  connectionStateOf,
  type Loss,
  type MachineInput,
  type MachineOptions,
  type MachineState,
  step,
} from './connection-machine.ts';
import { Heartbeat } from './heartbeat.ts';
import { Pacer } from './pacer.ts';
import type { Platform, Socket, SocketHandlers, Timer } from './platform.ts';
import { expiryOf, readToken, renewalDelayMs } from './token.ts';
import type { ConnectionState, TokenSource } from './types.ts';

/** Opens a socket that speaks the native protocol, whatever carries it. A token is to be shown in opening it. */
export type Dial = (handlers: SocketHandlers, token: string | undefined) => Socket;

export interface ConnectionOptions {
  readonly platform: Platform;
  readonly token: TokenSource | undefined;
  readonly machine: MachineOptions;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  readonly dial: Dial;
}

export interface ConnectionHandlers {
  readonly state: (state: ConnectionState) => void;
  readonly error: (error: MillraceError) => void;
  /** Welcomed: everything must be subscribed and sent anew. */
  readonly opened: (welcome: WelcomeMessage) => void;
  /** Called only between `opened` and `lost`, in the order of arrival; never with a welcome or pong. */
  readonly message: (message: ServerMessage) => void;
  /** The connection that was `opened` is gone. */
  readonly lost: () => void;
  /** An attempt ended without a welcome; `heard` says whether the socket had opened. */
  readonly attemptFailed: (heard: boolean) => void;
  /** The client gave up. */
  readonly failed: (error: MillraceError) => void;
  readonly roundTrip: (durationMs: number) => void;
}

/** One attempt and, when it succeeds, the connection it became. */
interface Attempt {
  socket: Socket | undefined;
  opened: boolean;
  welcomed: boolean;
  retryAfterMs: number | undefined;
  /** What the server said before it closed, which explains more than the number. */
  refusal: MillraceError | undefined;
}

/** One connection that mends itself: carries out what the state machine decides, and renews its token. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #heartbeat: Heartbeat;
  #state: MachineState = { name: 'idle' };
  #announced: ConnectionState = 'disconnected';
  #attempt: Attempt | undefined;
  /** Whether the next attempt shows its token in opening: a server may ban the address, but for those with a valid one. */
  #showsToken = false;
  #pacer: Pacer | undefined;
  #retry: Timer | undefined;
  #deadline: Timer | undefined;
  #renewal: Timer | undefined;

  constructor(options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    const { platform, heartbeatMs: intervalMs, timeoutMs } = options;
    const heartbeat = { intervalMs, timeoutMs };
    this.#heartbeat = new Heartbeat(platform, heartbeat, {
      ping: (id) => this.send(JSON.stringify({ type: 'ping', id })),
      silent: () => this.#timedOut(`no answer to a ping within ${timeoutMs} ms`),
      roundTrip: handlers.roundTrip,
    });
  }

  get state(): ConnectionState {
    return connectionStateOf(this.#state);
  }

  get failure(): MillraceError | undefined {
    return this.#state.name === 'failed' ? this.#state.error : undefined;
  }

  connect(): void {
    this.#input({ name: 'connect' });
  }

  /** The machine may have slept: make sure of the connection now. */
  wake(): void {
    this.#input({ name: 'wake' });
  }

  stop(): void {
    this.#input({ name: 'stop' });
  }

  /** Sends one encoded message. Only between `opened` and `lost`. */
  send(text: string): void {
    this.#pacer?.take(this.#options.platform.monotonic());
    this.#attempt?.socket?.send(text);
  }

  /** How long a message that can wait should wait so that the server does not refuse it as too many. */
  paceMs(): number {
    return this.#pacer?.waitMs(this.#options.platform.monotonic()) ?? 0;
  }

  #input(input: MachineInput): void {
    const before = this.#state;
    const [after, effects] = step(before, input, this.#options.machine);
    this.#state = after;
    const dropped = effects.some(({ name }) => name === 'drop') && this.#drop();
    for (const effect of effects) {
      if (effect.name === 'open') void this.#open();
      if (effect.name === 'probe') this.#heartbeat.probe();
      if (effect.name === 'cancelDelay') this.#retry?.cancel();
      if (effect.name === 'delay') {
        this.#retry = this.#options.platform.after(effect.delayMs, () => this.#input({ name: 'retry' }));
      }
    }
    if (dropped) this.#handlers.lost();
    this.#announce();
    if (after.name === 'failed' && before.name !== 'failed') this.#handlers.failed(after.error);
  }

  /** The newest state only: what was carried out above, or a listener, may have led to another input. */
  #announce(): void {
    const { state } = this;
    if (state === this.#announced) return;
    this.#announced = state;
    this.#handlers.state(state);
  }

  /** Lets go of the attempt; true when it had become a connection. */
  #drop(): boolean {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#pacer = undefined;
    this.#heartbeat.stop();
    this.#deadline?.cancel();
    this.#renewal?.cancel();
    attempt?.socket?.close(1000, '');
    return attempt?.welcomed ?? false;
  }

  async #open(): Promise<void> {
    const attempt: Attempt = {
      socket: undefined,
      opened: false,
      welcomed: false,
      retryAfterMs: undefined,
      refusal: undefined,
    };
    this.#attempt = attempt;
    const { platform, token: source, timeoutMs } = this.#options;
    this.#deadline = platform.after(timeoutMs, () => this.#timedOut(`no connection within ${timeoutMs} ms`));
    try {
      const token = source === undefined ? undefined : await readToken(source);
      if (this.#attempt !== attempt) return;
      if (token === '') this.#refuseEmpty(attempt);
      else this.#dial(attempt, token);
    } catch (cause) {
      if (this.#attempt === attempt)
        this.#lose(attempt, { cause: 'closed', error: asError(cause), final: false });
    }
  }

  #dial(attempt: Attempt, token: string | undefined): void {
    const guard = (task: () => void): void => {
      if (this.#attempt === attempt) task();
    };
    const handlers: SocketHandlers = {
      opened: () =>
        guard(() => {
          attempt.opened = true;
          // Sent as a message, so that a refusal comes as a code: browsers hide the status of a refused upgrade.
          if (token !== undefined) attempt.socket?.send(JSON.stringify({ type: 'auth', token }));
        }),
      message: (text) => guard(() => this.#hear(attempt, text, token)),
      closed: (close, reason) => guard(() => this.#closed(attempt, close, reason)),
    };
    attempt.socket = this.#options.dial(handlers, this.#showsToken ? token : undefined);
  }

  #hear(attempt: Attempt, text: string, token: string | undefined): void {
    try {
      this.#receive(attempt, text, token);
    } catch (cause) {
      // It may have been understood in part. What was read before it is safe, and reading goes on from there.
      const error = new MillraceError('unavailable', 'the server broke the protocol', { cause });
      if (this.#attempt === attempt) this.#lose(attempt, { cause: 'closed', error, final: false });
    }
  }

  #receive(attempt: Attempt, text: string, token: string | undefined): void {
    const message = decode(text);
    if (message === undefined) return;
    this.#heartbeat.heard(message.type === 'pong' ? message.id : undefined);
    if (message.type === 'welcome') this.#welcomed(attempt, message, token);
    else if (message.type === 'closing') attempt.retryAfterMs = retryAfterOf(message);
    else if (message.type === 'error' && message.id === undefined) this.#complained(attempt, message);
    else if (attempt.welcomed && message.type !== 'pong') this.#handlers.message(message);
  }

  #complained(
    attempt: Attempt,
    { code, message, retryable, details }: Extract<ServerMessage, { type: 'error' }>,
  ): void {
    const error = new MillraceError(code, message, { retryable, details });
    if (attempt.welcomed) this.#handlers.error(error);
    else attempt.refusal = error;
  }

  #welcomed(attempt: Attempt, welcome: WelcomeMessage, token: string | undefined): void {
    if (attempt.welcomed) return;
    const { platform } = this.#options;
    attempt.welcomed = true;
    attempt.refusal = undefined;
    this.#deadline?.cancel();
    this.#pacer = new Pacer(welcome.limits, welcome.roles, platform.monotonic());
    this.#heartbeat.start();
    const aheadMs = Date.parse(welcome.serverTime) - platform.now();
    if (token !== undefined) this.#planRenewal(attempt, token, Number.isFinite(aheadMs) ? aheadMs : 0);
    this.#handlers.opened(welcome);
    this.#input({ name: 'welcomed', atMs: platform.monotonic() });
  }

  /** `aheadMs`: how far the server's clock, by which the token expires, is ahead of ours. */
  #planRenewal(attempt: Attempt, token: string, aheadMs: number): void {
    const { platform, token: source } = this.#options;
    const expiryMs = expiryOf(token);
    if (typeof source !== 'function' || expiryMs === undefined) return;
    const renew = async (): Promise<void> => {
      let next = token;
      try {
        next = await readToken(source);
        if (this.#attempt === attempt && next !== token)
          this.send(JSON.stringify({ type: 'auth', token: next }));
      } catch (error) {
        if (this.#attempt === attempt) this.#handlers.error(asError(error));
      }
      if (this.#attempt === attempt) this.#planRenewal(attempt, next, aheadMs);
    };
    const delayMs = renewalDelayMs(expiryMs, platform.now() + aheadMs);
    this.#renewal = platform.after(delayMs, () => void renew());
  }

  #closed(attempt: Attempt, close: number, reason: string): void {
    const code = codeOfClose(close) ?? attempt.refusal?.code ?? codeOfRange(close);
    const why = reason === '' ? attempt.refusal?.message : reason;
    const what = attempt.opened ? 'the connection was closed' : 'the connection could not be opened';
    const error = new MillraceError(code, `${what} (${close}${why === undefined ? '' : `: ${why}`})`, {
      details: { close },
      retryable: shouldReconnect(close),
    });
    // A token that never changes will not become valid again.
    const hopeless = code === 'token-expired' && typeof this.#options.token === 'string';
    const final = hopeless || !shouldReconnect(close);
    this.#lose(attempt, { cause: 'closed', error, final, retryAfterMs: attempt.retryAfterMs });
  }

  /** No server takes it; a function may have a better one next time. */
  #refuseEmpty(attempt: Attempt): void {
    const error = new MillraceError('unauthorized', 'the token is empty');
    this.#lose(attempt, { cause: 'closed', error, final: this.#options.token === '' });
  }

  #timedOut(what: string): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    // Cookies may say who comes, so that no token is no mistake of itself.
    const why =
      this.#options.token === undefined && attempt.opened && !attempt.welcomed
        ? '; it may wait for a token, and createClient was given none'
        : '';
    const error = new MillraceError('unavailable', `the server did not answer: ${what}${why}`);
    this.#lose(attempt, { cause: 'timeout', error, final: false });
  }

  #lose(attempt: Attempt, loss: Loss): void {
    const { platform } = this.#options;
    // By turns: of a token that is refused in opening, nothing is heard.
    this.#showsToken = !attempt.opened && !this.#showsToken;
    if (!attempt.welcomed) this.#handlers.attemptFailed(attempt.opened);
    this.#handlers.error(loss.error);
    this.#input({ name: 'lost', atMs: platform.monotonic(), random: platform.random(), loss });
  }
}

/** Numbers that are not in the table: RFC 6455's own, and those of later servers, by their range ([CLOSE-1]). */
function codeOfRange(close: number): CodeName {
  if (close === STANDARD_CLOSE.tooBig) return 'too-large';
  if (close >= 4500) return 'disconnected';
  return shouldReconnect(close) ? 'unavailable' : 'bad-protocol';
}

/** The server is trusted to keep to the protocol; what is not an object with a type means nothing ([MSG-3]). */
function decode(text: string): ServerMessage | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const readable = typeof value === 'object' && value !== null && 'type' in value;
    return readable ? (value as ServerMessage) : undefined;
  } catch {
    return undefined;
  }
}

function retryAfterOf({ retryAfterMs }: ClosingMessage): number | undefined {
  return typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : undefined;
}

function asError(cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  return new MillraceError('unavailable', `the connection could not be opened: ${String(cause)}`, { cause });
}
