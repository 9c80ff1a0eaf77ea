import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { durationMs } from './duration.ts';
import { randomBase36 } from './engine/event-id.ts';
import { Arrivals } from './session/arrivals.ts';
import { Bans } from './session/bans.ts';
import { ClosingSessions } from './session/closing-sessions.ts';
import { Connections } from './session/connections.ts';
import { RequestRates } from './session/request-rates.ts';
import { RoleRates } from './session/role-rates.ts';
import { StalledMessages } from './session/stalled-messages.ts';
import type { TimingWheel } from './session/timing-wheel.ts';
import { Violations } from './session/violations.ts';

/** What keeps clients within the limits of the configuration. */
export interface Enforcement {
  readonly connections: Connections;
  readonly closing: ClosingSessions;
  readonly bans: Bans;
  readonly violations: Violations;
  readonly rates: RoleRates;
  readonly requestRates: RequestRates;
  readonly arrivals: Arrivals;
}

export function createEnforcement(
  { limits }: Config,
  { clock, wheel, log }: { clock: Clock; wheel: TimingWheel; log: (fields: object, message: string) => void },
): Enforcement {
  const connections = new Connections({
    max: limits.maxConnections,
    maxPerEntity: limits.maxConnectionsPerEntity,
    maxPerUser: limits.maxConnectionsPerUser,
    maxPerAddress: limits.maxConnectionsPerAddress,
    idPrefix: randomBase36(6),
  });
  const bans = new Bans({
    clock,
    durationMs: durationMs(limits.banDuration),
    onBanned: ({ id, offender, reason }) => {
      log({ banId: id, ...offender, reason }, 'banned');
      if (offender.kind === 'user') connections.endUser(offender.entityId, offender.userId, 'abuse', reason);
    },
  });
  const violations = new Violations({
    clock,
    bans,
    maxOfUser: limits.maxViolations,
    maxOfAddress: limits.maxAddressViolations,
    windowMs: durationMs(limits.violationWindow),
    log,
  });
  const { messagesPerSecond, messageBurst, messagesPerMinute, minuteBurst, roles = {} } = limits;
  const rates = new RoleRates({
    base: {
      messagesPerSecond,
      messageBurst,
      ...(messagesPerMinute !== undefined && { messagesPerMinute }),
      ...(minuteBurst !== undefined && { minuteBurst }),
    },
    byRole: roles,
  });
  const stalled = new StalledMessages({
    sessions: () => connections.iterate(),
    count: () => connections.size,
    maxMs: durationMs(limits.messageTimeout),
    onStalled: (session) => {
      const { identity, id, remoteAddress } = session;
      if (identity !== undefined) violations.byUser('stalled-message', identity, id);
      else violations.byAddress('no-token-in-time', remoteAddress);
      session.drop('heartbeat-timeout', 'a message was begun and not ended');
    },
  });
  wheel.add(stalled, clock.monotonic());
  return {
    connections,
    closing: new ClosingSessions(wheel, durationMs(limits.closingTimeout)),
    bans,
    violations,
    rates,
    requestRates: new RequestRates({ clock, rates, violations }),
    arrivals: new Arrivals({
      clock,
      violations,
      perSecond: limits.connectionsPerSecond,
      burst: limits.connectionBurst,
    }),
  };
}
