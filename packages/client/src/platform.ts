/** A timer that can be stopped. */
export interface Timer {
  /** Idempotent; harmless after the task ran. */
  cancel(): void;
}

/** What a socket reports, in this order: `opened` at most once, messages, `closed` exactly once. */
export interface SocketHandlers {
  readonly opened: () => void;
  readonly message: (text: string) => void;
  /** The close number (1006 when the connection broke or never opened) and the peer's reason. */
  readonly closed: (close: number, reason: string) => void;
}

/** The part of a WebSocket that the SDK uses. */
export interface Socket {
  /** Only between `opened` and `closed`. */
  send(text: string): void;
  /** `closed` follows, unless it came before. */
  close(close: number, reason: string): void;
}

/** One publication, without a client. */
export interface LastEvent {
  readonly topic: string;
  readonly event: string;
  readonly data: unknown;
  readonly key?: string;
  readonly idempotencyKey: string;
  readonly seal?: boolean;
}

/** What is said when the process ends, by `POST` to `url`. */
export interface LastWords {
  readonly url: string;
  readonly token: string | undefined;
  readonly events: readonly LastEvent[];
}

/** Who has something to say when the process ends. */
export interface Unfinished {
  /** There is time: says it, and resolves when it was heard. */
  settle(why: string): Promise<unknown>;
  /** There is none: what is to be said for it. */
  lastWords(why: string): LastWords;
}

/** Notices that the process ends. */
export interface ProcessEnd {
  /** Returns the undo. */
  watch(unfinished: Unfinished): () => void;
}

/** Everything the SDK takes from its surroundings, so that tests and simulations can drive it. */
export interface Platform {
  /** Wall-clock time in milliseconds since the Unix epoch. May step in either direction. */
  now(): number;
  /** Milliseconds from an arbitrary start; never steps back. */
  monotonic(): number;
  /** Runs `task` once after `delayMs`. */
  after(delayMs: number, task: () => void): Timer;
  /** A number from 0 up to but not including 1. */
  random(): number;
  /** A name that nobody else will choose. */
  uniqueId(): string;
  openSocket(url: string, protocols: readonly string[], handlers: SocketHandlers): Socket;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Calls `listener` when the machine may have slept or changed network; returns the undo. */
  onWake(listener: () => void): () => void;
  /** Missing where nobody can notice the end in time, as in browsers: trackers are then left as they stand. */
  readonly loadProcessEnd?: (() => Promise<ProcessEnd>) | undefined;
}

/** Longest delay that timers keep; longer ones would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

function openSocket(url: string, protocols: readonly string[], handlers: SocketHandlers): Socket {
  const socket = new WebSocket(url, [...protocols]);
  socket.addEventListener('open', () => handlers.opened());
  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    // The SDK asks for the JSON subprotocol, in which every message is text.
    if (typeof data === 'string') handlers.message(data);
  });
  socket.addEventListener('close', ({ code, reason }) => handlers.closed(code, reason));
  return {
    send: (text) => socket.send(text),
    close: (close, reason) => socket.close(close, reason),
  };
}

function onWake(listener: () => void): () => void {
  // Workers and Node have neither window nor document.
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => {};
  const onVisible = (): void => {
    if (document.visibilityState === 'visible') listener();
  };
  window.addEventListener('online', listener);
  document.addEventListener('visibilitychange', onVisible);
  return () => {
    window.removeEventListener('online', listener);
    document.removeEventListener('visibilitychange', onVisible);
  };
}

/** 128 random bits in hex. `crypto.randomUUID` is missing on pages that are not served over TLS. */
function uniqueId(): string {
  let id = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += byte.toString(16).padStart(2, '0');
  return id;
}

/** The globals of browsers and Node. Nothing else in this package may touch them. */
export const globalPlatform: Platform = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timeout = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS));
    return { cancel: () => clearTimeout(timeout) };
  },
  random: () => Math.random(),
  uniqueId,
  openSocket,
  fetch: (url, init) => fetch(url, init),
  onWake,
  ...('process' in globalThis && {
    loadProcessEnd: async () => (await import('./process-end.ts')).processEnd,
  }),
};
