import type { Limits } from '@millrace/protocol';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Clock } from '../clock.ts';
import type { Hub } from '../hub/hub.ts';
import type { ClientCounters } from './client-counters.ts';
import type { Publisher } from './publisher.ts';
import type { TimingWheel } from './timing-wheel.ts';

/** Times in ms. */
export interface SessionTimes {
  /** From the upgrade to a valid token. */
  readonly authTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly idleTimeoutMs: number;
  readonly lifetimeMs: number;
}

/** What all sessions of a server share. */
export interface SessionHost {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly counters: ClientCounters;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly limits: Limits;
  readonly times: SessionTimes;
  /** The session with this id has ended, with this close number. */
  onClosed(sessionId: string, code: number): void;
  onError(error: unknown, doing: string): void;
}
