import type { MessageId } from './client-message.ts';
import type { CodeName, RecoveryFailure } from './codes.ts';
import type { MillraceEvent } from './event.ts';
import type { Limits } from './limits.ts';

/* Messages from server to client. Positions and cursors are printed (`epoch:offset`; cursors are opaque). */

export interface WelcomeMessage {
  readonly type: 'welcome';
  readonly connectionId: string;
  readonly userId: string;
  readonly entityId: string;
  readonly roles: readonly string[];
  /** ISO 8601. */
  readonly serverTime: string;
  /** The server pings at this pace; a client that hears nothing for two of them should reconnect. */
  readonly heartbeatMs: number;
  readonly limits: Limits;
  readonly protocol: string;
}

export interface SubscribedMessage {
  readonly type: 'subscribed';
  readonly id?: MessageId;
  readonly topic: string;
  /** What a plain client named instead of the topic. */
  readonly stream?: string;
  /** The topic's head now; missing for a pattern. An event at or before it is a replayed one. */
  readonly position?: string;
  /**
   * The entity's head now: where this subscription stands once its replay has been read. It says nothing of the session's
   * other subscriptions, which may be behind; what all of them have reached is told by `position`.
   */
  readonly cursor: string;
  /** Present when `since` was given: whether everything after it follows. */
  readonly recovered?: boolean;
  /** Why not, when `recovered` is false. */
  readonly reason?: RecoveryFailure;
  /** How many events follow as the replay. */
  readonly replayed: number;
  /** How many `snapshot` messages come before the replay; missing when none was asked for. */
  readonly snapshots?: number;
  /** The topic is closed: its last event has been, or is being, delivered. */
  readonly sealed?: true;
}

/** What a topic's view makes of everything at or before a position; what follows it comes as events. */
export interface SnapshotMessage {
  readonly type: 'snapshot';
  readonly topic: string;
  /** The view's name. */
  readonly view: string;
  readonly position: string;
  readonly state: unknown;
}

export interface UnsubscribedMessage {
  readonly type: 'unsubscribed';
  readonly id?: MessageId;
  readonly topic: string;
  /** What a plain client named instead of the topic. */
  readonly stream?: string;
  readonly code: CodeName;
  readonly reason: string;
}

export interface EventMessage<Data = unknown> extends MillraceEvent<Data> {
  readonly type: 'event';
}

export interface BatchMessage {
  readonly type: 'batch';
  readonly events: readonly EventMessage[];
}

export interface PositionMessage {
  readonly type: 'position';
  readonly topic?: string;
  readonly position?: string;
  readonly cursor?: string;
  /** The topic ends here; the filter kept its last event back. */
  readonly sealed?: true;
}

export interface OkMessage {
  readonly type: 'ok';
  readonly id: MessageId;
  readonly result?: unknown;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly id?: MessageId;
  readonly code: CodeName;
  readonly message: string;
  readonly retryable: boolean;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface DroppedMessage {
  readonly type: 'dropped';
  readonly topic: string;
  /** First and last offset left out; missing for a pattern. */
  readonly from?: number;
  readonly to?: number;
  /** Missing where it cannot be known. */
  readonly count?: number;
  readonly reason: CodeName;
}

/** A consumer has moved on without this session: another one acknowledged, or the server gave a message up. */
export interface AckedMessage {
  readonly type: 'acked';
  readonly topic: string;
  readonly consumer: string;
  /** Everything up to this offset is done with. */
  readonly offset: number;
}

export interface LagMessage {
  readonly type: 'lag';
  /** The subscription that is served from the log; missing when it is all of them. */
  readonly topic?: string;
  /** Events not yet sent; 0 when the session is live again. */
  readonly behind: number;
}

export interface PongMessage {
  readonly type: 'pong';
  readonly id?: MessageId;
  /** ISO 8601. */
  readonly timestamp: string;
}

/** Answers a plain client's heartbeat in kind. */
export interface HeartbeatAnswer {
  readonly type: 'connection.heartbeat';
  readonly id?: MessageId;
  /** ISO 8601. */
  readonly timestamp: string;
}

export interface ClosingMessage {
  readonly type: 'closing';
  readonly code: CodeName;
  readonly reason: string;
  /** How long to wait before coming back; missing when coming back is no use. */
  readonly retryAfterMs?: number;
}

export type ServerMessage =
  | WelcomeMessage
  | SubscribedMessage
  | SnapshotMessage
  | UnsubscribedMessage
  | EventMessage
  | BatchMessage
  | PositionMessage
  | OkMessage
  | ErrorMessage
  | DroppedMessage
  | AckedMessage
  | LagMessage
  | PongMessage
  | HeartbeatAnswer
  | ClosingMessage;

/** Subprotocols of the native door. Without one, a client speaks JSON. */
export const SUBPROTOCOLS = { json: 'millrace.v1.json', msgpack: 'millrace.v1.msgpack' } as const;

/** The subprotocol by which a browser hands over its token: `bearer.<token>`, offered beside the real one. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';
