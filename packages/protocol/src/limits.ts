/** Bounds of one message and one session. All are server options; these are the defaults clients may count on. */
export const DEFAULT_LIMITS = {
  /** Largest message from a client, in bytes of its encoding. */
  maxMessageBytes: 64_000,
  /** Deepest nesting of arrays and objects in a message, the message itself being 1. */
  maxJsonDepth: 32,
  /** Subscriptions (topics and patterns) of one session. */
  maxSubscriptions: 128,
  /** Sustained messages a second from a client, and how many may come at once. Publishers and admins are exempt. */
  messagesPerSecond: 100,
  messageBurst: 200,
} as const;

export type Limits = { readonly [K in keyof typeof DEFAULT_LIMITS]: number } & {
  /** Where the server also limits a minute: its sustained messages, and how many of them may come at once. */
  readonly messagesPerMinute?: number;
  readonly minuteBurst?: number;
};

/** Longest event name, source, key, idempotency key, consumer and lease name, in characters. */
export const MAX_NAME_LENGTH = 255;

/** Events in one HTTP publish. */
export const MAX_PUBLISH_BATCH = 1000;

/**
 * Most events that `{last: n}` may ask of a pattern: the newest of many topics must be looked for. The newest of one topic
 * are known, and unbounded.
 */
export const MAX_LAST_OF_PATTERN = 10_000;

/** How often a client must be heard; the server pings a silent client at this pace. */
export const HEARTBEAT_MS = 30_000;

/** How long a publisher may repeat a publication and still have it stored once. */
export const IDEMPOTENCY_WINDOW_MS = 600_000;

/** Topics and patterns in the list of one `subscribe`: each is worked on and answered by itself. */
export const MAX_TOPICS_LISTED = 1000;
