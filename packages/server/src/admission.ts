import { revokedToken } from './auth/auth-error.ts';
import type { Authenticator } from './auth/authenticator.ts';
import type { Core } from './core.ts';
import { durationMs } from './duration.ts';
import type { InboxService } from './inbox/inbox-service.ts';
import type { Enforcement } from './limits-config.ts';
import type { ClientCounters } from './session/client-counters.ts';
import type { SessionHost } from './session/session-host.ts';
import type { TimingWheel } from './session/timing-wheel.ts';

/** What sessions share, and who becomes one: no token that was revoked, no banned user, nobody for whom there is no room. */
export function createSessionHost(
  core: Core,
  parts: Pick<SessionHost, 'aliases' | 'watch'> & {
    readonly inbox: InboxService;
    readonly counters: ClientCounters;
    readonly authenticator: Authenticator;
    readonly wheel: TimingWheel;
    readonly enforcement: Enforcement;
  },
): SessionHost {
  const { config, clock, hub, publisher, onError } = core;
  const { limits } = config;
  const { enforcement, ...shared } = parts;
  const { connections, closing, bans, violations, rates } = enforcement;
  return {
    ...shared,
    hub,
    publisher,
    clock,
    onError,
    rates,
    violations,
    limits: {
      maxMessageBytes: limits.maxMessageBytes,
      maxJsonDepth: limits.maxJsonDepth,
      maxSubscriptions: limits.maxSubscriptions,
      messagesPerSecond: limits.messagesPerSecond,
      messageBurst: limits.messageBurst,
    },
    times: {
      authTimeoutMs: durationMs(limits.authTimeout),
      heartbeatMs: durationMs(limits.heartbeat),
      idleTimeoutMs: durationMs(limits.idleTimeout),
      lifetimeMs: durationMs(limits.sessionLifetime),
    },
    maxEarlyBytes: limits.maxEarlyBytes,
    onIdentified: (identity) => {
      // It may have been since the token was checked.
      if (parts.authenticator.isRevoked(identity)) throw revokedToken();
      const refusal = bans.refusalOfUser(identity.entityId, identity.userId);
      if (refusal !== undefined) throw refusal;
      connections.assertRoomFor(identity);
      connections.identified(identity);
    },
    onClosed: (session, code, identity) => {
      connections.remove(session, code, identity);
      closing.add(session, clock.monotonic());
    },
    onGone: (session) => closing.delete(session),
  };
}
