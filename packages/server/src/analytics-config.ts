import { Analytics } from './analytics/analytics.ts';
import { NodeLoad } from './analytics/node-load.ts';
import { ScopeStore } from './analytics/scope-store.ts';
import { SessionLife } from './analytics/session-life.ts';
import type { Clock, Turns } from './clock.ts';
import type { Config } from './config.ts';
import type { Engine } from './engine/engine.ts';
import type { Hub } from './hub/hub.ts';
import { HostFigures } from './services/host-figures.ts';
import type { Connections } from './session/connections.ts';
import type { Publisher } from './session/publisher.ts';
import { type SessionWatch, watchTogether } from './session/session-watch.ts';

/** What becomes of the lives of sessions: events, and figures. */
export interface Observation {
  readonly watch: SessionWatch;
  /** Of the events. */
  readonly counters: { readonly dropped: number };
  /** `undefined` when the configuration wants none. */
  readonly analytics: Analytics | undefined;
  /** Publishes and saves what is left; to be called when all sessions have ended. */
  close(): Promise<void>;
}

/** Begins to watch sessions, as far as the configuration says so. */
export async function startObservation(
  { analytics: { sessions, enabled } }: Config,
  parts: {
    clock: Clock;
    turns: Turns;
    engine: Engine;
    publisher: Publisher;
    hub: Hub;
    connections: Connections;
    traffic: { readonly bytesSent: number; readonly bytesReceived: number };
    onError: (error: unknown, doing: string) => void;
  },
): Promise<Observation> {
  const { clock, connections, hub, traffic, onError } = parts;
  const life = sessions ? new SessionLife(parts) : undefined;
  const host = new HostFigures(clock);
  const analytics = enabled
    ? await Analytics.open({
        clock,
        store: new ScopeStore(parts),
        load: new NodeLoad({ clock, host, traffic }),
        latency: hub.flusher.latency,
        sessions: (entityId) => (entityId === undefined ? connections.all() : connections.of(entityId)),
        onError,
      })
    : undefined;
  return {
    watch: watchTogether([life, analytics].filter((each) => each !== undefined)),
    counters: life?.counters ?? { dropped: 0 },
    analytics,
    async close() {
      await life?.close();
      await analytics?.close();
      host.close();
    },
  };
}
