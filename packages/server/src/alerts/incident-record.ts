import type { Incident, SystemAlert } from './incident.ts';

/** An incident as it is stored. `v` lets a newer server say more. */
export interface IncidentRecord {
  readonly v: 1;
  readonly entity: string;
  readonly group?: string;
  readonly alert: SystemAlert;
  /** Whether everybody has been told of the newest change. */
  readonly announced: boolean;
}

export function recordOf({ entity, group, alert }: Incident, announced: boolean): IncidentRecord {
  return { v: 1, entity, ...(group !== undefined && { group }), alert, announced };
}

/** Reads a stored record; `undefined` when a newer server wrote it in a way that this one does not know. */
export function readRecord(data: string): IncidentRecord | undefined {
  const record = JSON.parse(data) as Omit<IncidentRecord, 'v'> & { readonly v: number };
  return record.v === 1 ? { ...record, v: 1 } : undefined;
}

/** Whether a record says more of its incident than another. */
export function isNewer(record: IncidentRecord, than: IncidentRecord | undefined): boolean {
  if (than === undefined) return true;
  const difference = record.alert.revision - than.alert.revision;
  return difference === 0 ? record.announced && !than.announced : difference > 0;
}
