import { alertMetrics } from './alerts/alert-metrics.ts';
import type { AlertRule } from './alerts/alert-rule.ts';
import { AlertService } from './alerts/alert-service.ts';
import type { FigureReader, OwnFigures } from './alerts/own-figures.ts';
import { DEFAULT_ENTITY } from './auth/identity.ts';
import type { Clock } from './clock.ts';
import { type Config, ConfigError } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { randomBase36 } from './engine/event-id.ts';
import type { Figures } from './figures.ts';
import { readAlertRules } from './read-alert-rules.ts';
import type { Publisher } from './session/publisher.ts';

/** Length of the part of an incident's id that is its own. */
const ID_LENGTH = 10;

/** Starts watching figures by the rules of the configuration, unless it says no. Rejects with a `ConfigError` for an unknown figure. */
export async function startAlerts(
  { alerts }: Config,
  parts: {
    engine: Engine;
    publisher: Publisher;
    clock: Clock;
    figures: Figures;
    onError: (error: unknown, doing: string) => void;
  },
): Promise<AlertService | undefined> {
  if (!alerts.enabled) return undefined;
  const { figures, ...rest } = parts;
  const { rules } = readAlertRules(alerts.rules, DEFAULT_ENTITY);
  const service = new AlertService({
    ...rest,
    rules,
    figures: figureReaders(rules, figures.own),
    maxEntities: alerts.maxEntities,
    newId: () => randomBase36(ID_LENGTH),
  });
  await service.start();
  figures.add(alertMetrics(service));
  return service;
}

function figureReaders(rules: readonly AlertRule[], own: OwnFigures): Map<AlertRule, FigureReader> {
  const readers = new Map<AlertRule, FigureReader>();
  const problems: string[] = [];
  for (const rule of rules) {
    if (rule.watch.kind !== 'figure') continue;
    const reader = own.readerOf(rule.watch);
    if (typeof reader === 'string')
      problems.push(`the alert rule "${rule.name}" has a "metric" "${rule.watch.figure}", which ${reader}`);
    else readers.set(rule, reader);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return readers;
}
