import type { AlertService } from './alerts/alert-service.ts';
import { startAlerts } from './alerts-config.ts';
import type { Analytics } from './analytics/analytics.ts';
import { startObservation } from './analytics-config.ts';
import type { RevocationList } from './auth/revocation-list.ts';
import { startBridge } from './bridge-config.ts';
import type { Core } from './core.ts';
import { durationMs } from './duration.ts';
import { randomBase36 } from './engine/event-id.ts';
import { createFigures, type Figures } from './figures.ts';
import { startHostMetrics } from './host-metrics-config.ts';
import { InboxService } from './inbox/inbox-service.ts';
import { deliveryRules } from './inbox-config.ts';
import type { Enforcement } from './limits-config.ts';
import type { LlmProvider } from './llm/llm-provider.ts';
import type { LlmService } from './llm/llm-service.ts';
import { createLlmService } from './llm-config.ts';
import { startMetricSources } from './metric-sources-config.ts';
import type { Processes } from './process/processes.ts';
import { startProcesses } from './processes-config.ts';
import { Audit } from './services/audit.ts';
import type { FigureSources } from './services/figure-sources.ts';
import { StorageWatch } from './services/storage-watch.ts';
import { TokenRevocations } from './services/token-revocations.ts';
import type { SessionWatch } from './session/session-watch.ts';

/** What speaks to the log for a feature of its own. */
export interface ServiceSet extends Pick<Figures, 'statistics' | 'exposition'> {
  readonly inbox: InboxService;
  readonly audit: Audit;
  readonly revocations: TokenRevocations;
  readonly llm: LlmService;
  readonly processes: Processes;
  /** Unless the configuration wants none. */
  readonly alerts: AlertService | undefined;
  readonly analytics: Analytics | undefined;
  /** Hears of the life of sessions. */
  readonly watch: SessionWatch;
}

/** What services need to know of sessions and doors. */
export interface ServiceParts extends Pick<FigureSources, 'counters' | 'traffic' | 'compression'> {
  readonly enforcement: Enforcement;
  readonly revoked: RevocationList;
  readonly providers: ReadonlyMap<string, LlmProvider>;
  readonly version: string;
  readonly onRevoked: () => void;
}

/** Starts the services, and has them closed with what is on the stack. Rejects when one cannot read what it needs of the log. */
export async function startServices(
  core: Core,
  parts: ServiceParts,
  closing: AsyncDisposableStack,
): Promise<ServiceSet> {
  const { config, clock, engine, hub, publisher, catalog, views, logger, onError } = core;
  const { enforcement, revoked, providers, onRevoked } = parts;
  const { connections } = enforcement;

  const storage = new StorageWatch({ clock, publisher });
  publisher.observe(storage);
  closing.defer(() => storage.close());

  const inbox = new InboxService({
    engine,
    hub,
    clock,
    onError,
    rules: deliveryRules(config),
    maxConsumers: config.inbox.maxConsumers,
    nodeId: randomBase36(8),
  });
  closing.defer(() => inbox.close());

  const revocations = new TokenRevocations({
    engine,
    publisher,
    clock,
    onRevoked,
    onError,
    list: revoked,
    maxTokenLifetimeMs: durationMs(config.auth.maxTokenLifetime),
  });
  closing.defer(() => revocations.close());
  await revocations.start();

  const audit = new Audit({
    publisher,
    engine,
    onError,
    log: (entityId, entry) => logger.info({ audit: entry, entityId }, 'audit'),
  });

  const llm = createLlmService(config, {
    providers,
    engine,
    publisher,
    catalog,
    clock,
    onError,
    snapshots: views,
    log: (fields, message) => logger.warn(fields, message),
  });
  closing.defer(() => llm.close());
  await llm.start();

  const processes = await startProcesses(config, { ...core, connections });
  closing.defer(() => processes.close());

  const {
    watch,
    analytics,
    counters: sessionLife,
    close,
  } = await startObservation(config, {
    ...core,
    connections,
    traffic: parts.traffic,
  });
  closing.defer(close);
  if (analytics !== undefined) publisher.observe(analytics);

  const counted = { ...core, ...enforcement, ...parts, inbox, sessionLife };
  const figures = createFigures(config, { ...counted, llm: llm.figures });
  closing.defer(() => figures.close());

  const bridge = await startBridge(config, { ...core, figures });
  if (bridge !== undefined) closing.defer(() => bridge.close());
  const alerts = await startAlerts(config, { ...core, figures });
  if (alerts !== undefined) closing.defer(() => alerts.close());

  const sources = startMetricSources(config, { ...core, figures });
  closing.defer(() => sources.close());
  const hostMetrics = startHostMetrics(config, { ...core, connections });
  closing.defer(() => hostMetrics?.close());

  const { statistics, exposition } = figures;
  return { inbox, audit, revocations, llm, processes, alerts, analytics, watch, statistics, exposition };
}
