import type { Severity } from './alert-rule.ts';
import type { RemediationOutcome } from './remediation.ts';

/** Where alerts are published, within their entity. */
export const ALERTS_TOPIC = 'system.alerts';
export const ALERT_EVENT = 'system_alert';

export type RemediationStatus = RemediationOutcome['status'] | 'pending' | 'running' | 'skipped';

/** What has just happened to an incident. */
export type AlertChange = 'fired' | 'remediation' | 'acknowledged' | 'resolved';

/** Why an incident ended: the value is right again, nothing is heard any more, or nobody watches it any more. */
export type ResolveReason = 'recovered' | 'no-data' | 'rule-removed';

/** The data of `system_alert`: an incident as it is since its newest change. */
export interface SystemAlert {
  /** Of this incident; the next one of the same rule has another. */
  readonly alert_id: string;
  readonly severity: Severity;
  readonly category: string;
  /** The rule. */
  readonly source: string;
  readonly message: string;
  /** The group that the rule tells things apart by, where it has one. */
  readonly affected_portals: readonly string[];
  readonly recommended_action: string;
  readonly auto_remediation_attempted: boolean;
  /** `null` when the rule has none. */
  readonly auto_remediation_status: RemediationStatus | null;
  readonly auto_remediation_detail?: string;
  readonly state: 'firing' | 'resolved';
  readonly change: AlertChange;
  /** Counts the changes of this incident, from 1. */
  readonly revision: number;
  /** `no-data` when it fired because nothing was heard. */
  readonly reason: 'threshold' | 'no-data';
  /** What the rule's figure was when it fired; missing when nothing was heard. */
  readonly value?: number;
  readonly threshold?: number;
  readonly topic?: string;
  /** ISO 8601, as the other times. */
  readonly fired_at: string;
  readonly acknowledged_at?: string;
  readonly acknowledged_by?: string;
  readonly resolved_at?: string;
  readonly resolve_reason?: ResolveReason;
  /** What the rule's figure was when it was right again. */
  readonly resolved_value?: number;
}

/** What a rule found wrong, from the moment it fired until nothing of it is left to be done. */
export interface Incident {
  readonly entity: string;
  /** Which of the things that the rule watches; missing where it watches one. */
  readonly group: string | undefined;
  /** As it was stored last. */
  readonly alert: SystemAlert;
}

/** Whether nothing of an incident is left to be done or said. */
export function isOver({ state, auto_remediation_status: remediation }: SystemAlert): boolean {
  return state === 'resolved' && remediation !== 'pending' && remediation !== 'running';
}
