import type { Limits } from '@millrace/protocol';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Identity } from '../auth/identity.ts';
import type { Clock } from '../clock.ts';
import type { Hub } from '../hub/hub.ts';
import type { InboxService } from '../inbox/inbox-service.ts';
import type { TopicAliases } from '../plain-config.ts';
import type { ClientCounters } from './client-counters.ts';
import type { Publisher } from './publisher.ts';
import type { RoleRates } from './role-rates.ts';
import type { Session } from './session.ts';
import type { SessionWatch } from './session-watch.ts';
import type { TimingWheel } from './timing-wheel.ts';
import type { Violations } from './violations.ts';

/** Times in ms. */
export interface SessionTimes {
  /** From the connection to a valid token. */
  readonly authTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly idleTimeoutMs: number;
  readonly lifetimeMs: number;
}

/** What all sessions of a server share. */
export interface SessionHost {
  readonly hub: Hub;
  readonly inbox: InboxService;
  readonly publisher: Publisher;
  readonly counters: ClientCounters;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly limits: Limits;
  /** What plain clients call their topics. */
  readonly aliases: TopicAliases;
  readonly times: SessionTimes;
  /** What may wait of a client whose token is being checked. */
  readonly maxEarlyBytes: number;
  readonly rates: RoleRates;
  readonly violations: Violations;
  readonly watch: SessionWatch;
  /** A session is about to become this user's. Throws a `MillraceError` when it may not: `overloaded`, `abuse`, `unauthorized`. */
  onIdentified(identity: Identity): void;
  /** The session has ended, with this close number; its connection may not be gone yet. */
  onClosed(session: Session, code: number, identity: Identity | undefined): void;
  /** The connection of a session that has ended is gone, too. */
  onGone(session: Session): void;
  onError(error: unknown, doing: string): void;
}
