import type { MillraceEvents } from '@millrace/catalog';
import { createClient, MillraceError } from '@millrace/client';
import { AGENT_NAMES, Agent } from './agent.ts';
import { AlertWatch } from './alert-watch.ts';
import { Portal } from './portal.ts';
import { Random } from './random.ts';
import type { Publication, Source } from './source.ts';
import { WorkflowEngine } from './workflow-engine.ts';

export const PORTALS = 51;

/** How often it is looked who has something to say, in ms. */
const TICK_MS = 20;
/** Whoever is later than this (a laptop that slept) goes on from now instead of catching up. */
const MAX_LATE_MS = 1000;
/** From one disturbance of a portal to the next, and how long one lasts, in seconds. */
const DISTURBANCES = { first: 1, everyLow: 4, everyHigh: 14, lastsLow: 8, lastsHigh: 25 } as const;

export interface ConstellationOptions {
  readonly url: string;
  /** Of a publisher. */
  readonly token: string;
  /** The same seed, the same portals, agents and runs. */
  readonly seed?: number;
  /** The connection is in trouble, or an event was refused; the client goes on by itself where it can. */
  readonly onError?: (error: MillraceError) => void;
}

export interface Constellation {
  /** Events that were stored so far. */
  readonly published: number;
  /** Resolves when what was said is stored, where the server can be reached. */
  close(): Promise<void>;
}

/**
 * 51 portals, 14 agents, an engine of workflows, and a watch that raises alerts, all through the public SDK: some 125
 * events a second.
 */
export function startConstellation({
  url,
  token,
  seed = 1,
  onError = () => {},
}: ConstellationOptions): Constellation {
  const client = createClient<MillraceEvents>({ url, token });
  client.on('error', onError);
  const random = new Random(seed);
  const startMs = Date.now();
  const run = startMs.toString(36);
  const portals = Array.from({ length: PORTALS }, (_, i) => new Portal(i + 1, random.fork()));
  const agents = AGENT_NAMES.map((name, i) => new Agent(i + 1, name, random.fork()));
  const sources: readonly Source[] = [...portals, ...agents, new WorkflowEngine(run, random.fork())];
  const watch = new AlertWatch(run);
  let published = 0;
  const underWay = new Set<Promise<void>>();

  const publish = ({ topic, event, data, key, source }: Publication): void => {
    const stored = client.publish(topic, event, data, { key, source }).then(
      () => {
        published++;
      },
      (error: unknown) => {
        if (error instanceof MillraceError) onError(error);
      },
    );
    underWay.add(stored);
    void stored.then(() => underWay.delete(stored));
  };
  const say = (publication: Publication): void => {
    publish(publication);
    if (publication.event === 'consciousness_update') watch.look(publication.data).forEach(publish);
  };

  // Not all in the same millisecond, but spread over their interval.
  const due = sources.map(({ intervalMs }, i) => startMs + (intervalMs * i) / sources.length);
  let disturbanceMs = startMs + 1000 * DISTURBANCES.first;
  const tick = setInterval(() => {
    const nowMs = Date.now();
    for (const [i, source] of sources.entries()) {
      let dueMs = due[i] ?? nowMs;
      if (dueMs < nowMs - MAX_LATE_MS) dueMs = nowMs;
      while (dueMs <= nowMs) {
        source.speak(dueMs).forEach(say);
        dueMs += source.intervalMs;
      }
      due[i] = dueMs;
    }
    if (nowMs < disturbanceMs) return;
    const { everyLow, everyHigh, lastsLow, lastsHigh } = DISTURBANCES;
    random.pick(portals).disturb(nowMs + 1000 * random.between(lastsLow, lastsHigh));
    disturbanceMs = nowMs + 1000 * random.between(everyLow, everyHigh);
  }, TICK_MS);

  return {
    get published() {
      return published;
    },
    close: async () => {
      clearInterval(tick);
      if (client.state === 'connected') await Promise.all(underWay);
      client.close();
    },
  };
}
