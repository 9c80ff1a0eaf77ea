import type { MillraceEvent } from '@millrace/protocol';
import type { View } from '../view.ts';
import { type Fields, fieldsOf, numberOf, numbers, textOf, texts } from './event-data.ts';

export interface Finding {
  readonly type: string;
  readonly severity: string;
  readonly url: string;
  readonly message?: string;
  /** ISO 8601. */
  readonly timestamp: string;
}

/** How a scan stands, and what it has found. */
export interface Scan {
  readonly scan_id?: string;
  readonly target?: string;
  readonly status: 'pending' | 'running' | 'completed' | 'failed';
  /** From 0 to 100. */
  readonly progress: number;
  readonly message?: string;
  readonly eta_seconds?: number;
  /** How many in all, and by severity. */
  readonly found: number;
  readonly by_severity: Readonly<Record<string, number>>;
  /** The newest, oldest first. */
  readonly findings: readonly Finding[];
  /** Why it could not finish. */
  readonly error?: string;
  readonly duration_ms?: number;
  readonly started_at?: string;
  readonly updated_at?: string;
}

const MAX_FINDINGS = 200;
/** Of each text of a finding, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 1024;
const MAX_SEVERITIES = 20;

export const scanView: View<Scan> = {
  name: 'scan',
  version: 1,
  holdsLog: true,
  initial: () => ({ status: 'pending', progress: 0, found: 0, by_severity: {}, findings: [] }),
  fold: (scan, event) => {
    const data = fieldsOf(event);
    return {
      ...scan,
      ...changeOf(scan, event, data),
      ...texts(data, 'scan_id'),
      updated_at: event.timestamp,
    };
  },
};

function changeOf(scan: Scan, event: MillraceEvent, data: Fields): Partial<Scan> {
  switch (event.event) {
    case 'scan.started':
      return { status: 'running', started_at: event.timestamp, ...texts(data, 'target') };
    case 'scan.progress':
      return { status: 'running', ...numbers(data, 'progress', 'eta_seconds'), ...texts(data, 'message') };
    case 'scan.finding':
      return found(scan, event, data);
    case 'scan.completed':
      return ended(data);
    default:
      return {};
  }
}

function found(
  { found: before, by_severity, findings }: Scan,
  { timestamp }: MillraceEvent,
  data: Fields,
): Partial<Scan> {
  const finding: Finding = {
    type: bounded(data.type),
    severity: bounded(data.severity),
    url: bounded(data.url),
    ...(typeof data.message === 'string' && { message: bounded(data.message) }),
    timestamp,
  };
  const known = Object.hasOwn(by_severity, finding.severity);
  const severity = known || Object.keys(by_severity).length < MAX_SEVERITIES ? finding.severity : 'other';
  const count = (Object.hasOwn(by_severity, severity) ? (by_severity[severity] ?? 0) : 0) + 1;
  return {
    found: before + 1,
    by_severity: { ...by_severity, [severity]: count },
    findings: [...findings.slice(1 - MAX_FINDINGS), finding],
  };
}

function ended(data: Fields): Partial<Scan> {
  const { error } = texts(data, 'error');
  const status = error === undefined ? 'completed' : 'failed';
  const progress = error === undefined ? { progress: 100 } : {};
  const found = numberOf(data.findings);
  return {
    status,
    ...progress,
    eta_seconds: 0,
    ...texts(data, 'error'),
    ...numbers(data, 'duration_ms'),
    ...(found !== undefined && { found }),
  };
}

function bounded(value: unknown): string {
  return (textOf(value) ?? '').slice(0, MAX_TEXT_LENGTH);
}
