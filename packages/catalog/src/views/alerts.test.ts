import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type AlertsState, alertsView } from './alerts.ts';

let offset = 0;

function alert(alertId: string, more: object = {}): MillraceEvent {
  offset++;
  return {
    topic: 'system.alerts',
    event: 'system_alert',
    id: `e${offset}`,
    offset,
    epoch: 'e',
    timestamp: '2026-11-20T12:00:00.000Z',
    data: { alert_id: alertId, ...more },
  };
}

const fold = (events: readonly MillraceEvent[]): AlertsState =>
  events.reduce((state, event) => alertsView.fold(state, event), alertsView.initial());
const idsOf = (alerts: AlertsState['active']): string[] => alerts.map(({ alert_id }) => alert_id);

test('an alert is active from when it fires until it is resolved, and stays among the newest', () => {
  const firing = { state: 'firing' };
  const state = fold([
    alert('a', firing),
    alert('b', firing),
    alert('a', { state: 'firing', change: 'remediation' }),
    alert('b', { state: 'resolved' }),
  ]);
  expect(idsOf(state.active)).toEqual(['a']);
  expect(state.active[0]?.alert).toMatchObject({ change: 'remediation' });
  expect(idsOf(state.newest)).toEqual(['a', 'b']);
});

test('an alert that does not say whether it fires is news, and not active', () => {
  const state = fold([alert('a')]);
  expect([idsOf(state.active), idsOf(state.newest)]).toEqual([[], ['a']]);
});

test('the newest 50 are kept, and a bounded number of those that fire', () => {
  const state = fold(Array.from({ length: 1000 }, (_, i) => alert(`a${i}`, { state: 'firing' })));
  expect(idsOf(state.newest)).toEqual(Array.from({ length: 50 }, (_, i) => `a${950 + i}`));
  expect(state.active).toHaveLength(200);
  expect(state.active.at(-1)?.alert_id).toBe('a999');
});

test('what is no alert changes nothing', () => {
  const state = fold([alert('a', { state: 'firing' })]);
  expect(alertsView.fold(state, { ...alert('b'), event: 'system.notification' })).toEqual(state);
  expect(alertsView.fold(state, { ...alert('b'), data: null })).toEqual(state);
});
