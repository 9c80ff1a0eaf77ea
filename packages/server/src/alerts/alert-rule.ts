import type { FieldReader } from '@millrace/protocol';
import type { TextTemplate } from '../services/text-template.ts';
import type { Holds } from './alert-state.ts';
import type { Remediation } from './remediation.ts';
import type { Thresholds } from './thresholds.ts';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A numeric field of events. */
export interface EventWatch {
  readonly kind: 'event';
  /** Topics; a wildcard selects no inbox. */
  readonly pattern: string;
  /** Name or pattern of events; any when missing. */
  readonly event: string | undefined;
  /** As it was written: `data.metrics.harmony`. */
  readonly field: string;
  readonly read: FieldReader;
  /** What tells the things apart that are watched side by side; missing: all events tell of one thing. */
  readonly group: FieldReader | undefined;
}

/** One of Millrace's own figures. */
export interface FigureWatch {
  readonly kind: 'figure';
  /** As in `/metrics`, or one of the named ones. */
  readonly figure: string;
  /** Of a figure with a label, this one of its values; their sum when missing. */
  readonly label: string | undefined;
  /** By how much it grew within this time; its value when missing. */
  readonly perMs: number | undefined;
}

/** A rule, checked and ready to be asked. */
export interface AlertRule extends Thresholds, Holds {
  readonly name: string;
  readonly watch: EventWatch | FigureWatch;
  /** Whose events are watched and where the alert is published; `*` is every entity. */
  readonly entity: string;
  /** When nothing has been heard for so long, `missing` decides. */
  readonly missingAfterMs: number;
  readonly severity: Severity;
  readonly category: string;
  readonly message: TextTemplate;
  readonly recommendedAction: string;
  readonly remediation: Remediation | undefined;
  /** Things of one entity that are watched at a time. */
  readonly maxGroups: number;
}

/** Names that a rule's message may have gaps for. */
export const MESSAGE_NAMES = [
  'rule',
  'entity',
  'group',
  'topic',
  'figure',
  'value',
  'side',
  'threshold',
] as const;

/** What a rule watches, as people know it. */
export function figureNameOf({ watch }: AlertRule): string {
  return watch.kind === 'event' ? watch.field : watch.figure;
}
