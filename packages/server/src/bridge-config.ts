import { DEFAULT_ENTITY } from './auth/identity.ts';
import { Bridge, bridgeMetrics } from './bridge/bridge.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config-schema.ts';
import type { Engine } from './engine/engine.ts';
import type { Figures } from './figures.ts';
import { readBridgeRules } from './read-bridge-rules.ts';
import type { Publisher } from './session/publisher.ts';

/** Starts mapping events by the rules of the configuration. Without rules it is off, unless the configuration says otherwise. */
export async function startBridge(
  { bridge }: Config,
  parts: {
    engine: Engine;
    publisher: Publisher;
    clock: Clock;
    figures: Figures;
    onError: (error: unknown, doing: string) => void;
  },
): Promise<Bridge | undefined> {
  const { rules } = readBridgeRules(bridge);
  if (!isEnabled(bridge) || rules.length === 0) return undefined;
  const { figures, ...rest } = parts;
  const running = new Bridge({
    ...rest,
    rules,
    entity: bridge.entity ?? DEFAULT_ENTITY,
    maxEntities: bridge.maxEntities,
    maxDepth: bridge.maxDepth,
  });
  await running.start();
  figures.add(bridgeMetrics(running));
  return running;
}

function isEnabled({ enabled, rules, generic }: Config['bridge']): boolean {
  return enabled ?? (rules.length > 0 || generic.length > 0);
}
