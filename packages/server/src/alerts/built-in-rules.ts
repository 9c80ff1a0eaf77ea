import type { AlertRuleConfig } from '../config-schema.ts';

/** What every server watches of itself. A rule of the configuration that has one of these names changes it. */
export const BUILT_IN_RULES: readonly AlertRuleConfig[] = [
  {
    name: 'latency_high',
    metric: 'latency_p99_ms',
    above: 1000,
    resolveBelow: 500,
    for: '10s',
    // Without events there is no latency.
    missing: 'resolve',
    missingAfter: '2m',
    severity: 'critical',
    category: 'performance',
    message: 'events reach clients {value} ms late (p99), over {threshold} ms',
    recommendedAction: 'look at the CPU, the event loop lag and the time that the log takes to store',
  },
  {
    name: 'latency_degraded',
    metric: 'latency_p99_ms',
    above: 100,
    resolveBelow: 80,
    for: '2m',
    resolveFor: '1m',
    missing: 'resolve',
    missingAfter: '2m',
    severity: 'warning',
    category: 'performance',
    message: 'events reach clients {value} ms late (p99), over {threshold} ms',
    recommendedAction: 'look at the CPU, the event loop lag and the time that the log takes to store',
  },
  {
    name: 'connection_drop_high',
    metric: 'connection_drop_percent',
    above: 10,
    resolveBelow: 5,
    for: '30s',
    resolveFor: '1m',
    severity: 'warning',
    category: 'connectivity',
    message: '{value} % of the connections were lost within five minutes, over {threshold} %',
    recommendedAction:
      'see by which codes they ended: 1006 is the network or a proxy, 4001 clients that fell silent, 4004 clients that read too slowly',
  },
  {
    name: 'excessive_subscriptions',
    metric: 'refused_subscriptions',
    per: '1m',
    above: 0,
    resolveFor: '1m',
    severity: 'warning',
    category: 'capacity',
    message: 'sessions asked for more subscriptions than one may have: {value} were refused within a minute',
    recommendedAction: 'let clients subscribe to patterns, or raise limits.maxSubscriptions',
  },
];
