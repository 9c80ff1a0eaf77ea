import type { View } from '../view.ts';

/** The newest that is known of one alert. */
export interface KnownAlert {
  readonly alert_id: string;
  /** Of the newest event about it, ISO 8601. */
  readonly timestamp: string;
  /** Of that event in its topic. */
  readonly offset: number;
  /** The data of that event. */
  readonly alert: Readonly<Record<string, unknown>>;
}

export interface AlertsState {
  /** Those that say of themselves that they are firing, the one that changed last at the end. */
  readonly active: readonly KnownAlert[];
  /** Whatever their state, each alert once, the one that changed last at the end. */
  readonly newest: readonly KnownAlert[];
}

/** Alerts that fire at once; more are only among the newest. */
const MAX_ACTIVE = 200;
const MAX_NEWEST = 50;

/** What fires now, and what was said last. */
export const alertsView: View<AlertsState> = {
  name: 'alerts',
  version: 1,
  // An incident may last longer than its event is kept.
  holdsLog: true,
  initial: () => ({ active: [], newest: [] }),
  fold: ({ active, newest }, { event, offset, timestamp, data }) => {
    const alert = data as Record<string, unknown> | null;
    const id = alert?.alert_id;
    if (event !== 'system_alert' || alert === null || typeof id !== 'string') return { active, newest };
    const known: KnownAlert = { alert_id: id, timestamp, offset, alert };
    const others = active.filter(({ alert_id }) => alert_id !== id);
    return {
      active: alert.state === 'firing' ? newestOf([...others, known], MAX_ACTIVE) : others,
      newest: newestOf([...newest.filter(({ alert_id }) => alert_id !== id), known], MAX_NEWEST),
    };
  },
};

function newestOf(alerts: readonly KnownAlert[], count: number): readonly KnownAlert[] {
  return alerts.slice(Math.max(0, alerts.length - count));
}
