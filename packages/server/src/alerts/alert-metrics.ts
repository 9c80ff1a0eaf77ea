import { counter, gauge, type Metric } from '../services/prometheus.ts';
import { SEVERITIES } from './alert-rule.ts';
import type { AlertService } from './alert-service.ts';

/** What `/metrics` says of alerts. */
export function alertMetrics(service: AlertService): Metric[] {
  const { counters, remediator } = service;
  return [
    gauge(
      'millrace_alerts_firing',
      'Alerts that are firing, by severity.',
      () => {
        const active = service.active();
        return SEVERITIES.map((each) => [each, active.filter(({ severity }) => severity === each).length]);
      },
      'severity',
    ),
    counter('millrace_alerts_fired_total', 'Alerts that fired.', () => counters.fired),
    counter('millrace_alerts_resolved_total', 'Alerts that were resolved.', () => counters.resolved),
    counter(
      'millrace_alerts_values_refused_total',
      'Values of groups beyond the number that a rule may watch.',
      () => counters.valuesRefused,
    ),
    counter(
      'millrace_alerts_remediations_total',
      'Remediations by what became of them.',
      () => Object.entries(remediator.counters),
      'outcome',
    ),
  ];
}
