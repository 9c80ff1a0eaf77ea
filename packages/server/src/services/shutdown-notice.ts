import type { Clock, Turns } from '../clock.ts';
import type { Connections } from '../session/connections.ts';
import type { Publisher } from '../session/publisher.ts';

const MAINTENANCE_TOPIC = 'system.maintenance';
/** The log may be what is broken: nobody waits longer for it than that. */
const PATIENCE_MS = 500;

export interface ShutdownNoticeOptions {
  readonly clock: Clock;
  readonly turns: Turns;
  readonly connections: Connections;
  readonly publisher: Publisher;
}

/**
 * Says that the server goes away, to the entities where a session follows that topic ([SYS-1]): clients of the bare door and of SSE hear
 * it so, too. Resolves when it has been handed out, or could not be stored in time.
 */
export async function announceShutdown(options: ShutdownNoticeOptions): Promise<void> {
  const { clock, turns, connections, publisher } = options;
  const entities = new Set<string>();
  for (const session of connections.iterate()) {
    const { identity } = session;
    if (identity !== undefined && session.follows(MAINTENANCE_TOPIC)) entities.add(identity.entityId);
  }
  if (entities.size === 0) return;
  const data = JSON.stringify({
    message: 'the server goes away for a moment; clients come back by themselves',
    starts_at: new Date(clock.now()).toISOString(),
  });
  const inputs = [{ topic: MAINTENANCE_TOPIC, event: 'system.maintenance', data }];
  const stored = [...entities].map((entity) => publisher.publishInternally(entity, inputs));
  const late = new Promise<void>((resolve) => clock.after(PATIENCE_MS, resolve));
  await Promise.race([Promise.allSettled(stored), late]);
  // What is stored is handed out in the next turn.
  await new Promise<void>((resolve) => turns.soon(resolve));
}
