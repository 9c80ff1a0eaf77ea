import { describe, expect, test } from 'vitest';
import { Agent } from './agent.ts';
import { AlertWatch } from './alert-watch.ts';
import { Portal } from './portal.ts';
import { Random } from './random.ts';
import { WorkflowEngine } from './workflow-engine.ts';

const SECOND = 1000;
const SEED = 5;

/** Some minutes of one source, as it would have said it. */
function lives(source: Agent | WorkflowEngine, minutes: number): Record<string, unknown>[] {
  const said: Record<string, unknown>[] = [];
  for (let nowMs = 0; nowMs < minutes * 60 * SECOND; nowMs += source.intervalMs)
    for (const { data } of source.speak(nowMs)) said.push(data as Record<string, unknown>);
  return said;
}

describe('the constellation', () => {
  test('raises one alert for each thing that is wrong with a portal, makes it worse, and ends it', () => {
    const portal = new Portal(7, new Random(SEED));
    const watch = new AlertWatch('x');
    const alerts: { atMs: number; id: string; severity: string }[] = [];
    for (let nowMs = 0; nowMs < 120 * SECOND; nowMs += SECOND) {
      if (nowMs === 30 * SECOND) portal.disturb(50 * SECOND);
      for (const { data } of watch.look(portal.update(nowMs))) {
        const { alert_id: id = '', severity = '' } = data as { alert_id?: string; severity?: string };
        alerts.push({ atMs: nowMs, id, severity });
      }
    }
    expect(alerts.every(({ atMs }) => atMs > 30 * SECOND && atMs < 70 * SECOND)).toBe(true);
    const incidents = Map.groupBy(alerts, ({ id }) => id);
    expect(incidents.size).toBe(2);
    for (const incident of incidents.values()) {
      const severities = incident.map(({ severity }) => severity);
      expect(severities.at(-1)).toBe('info');
      expect(['warning', 'critical', 'warning,critical']).toContain(severities.slice(0, -1).join());
    }
  });

  test('says nothing of a portal that is well, however long', () => {
    const watch = new AlertWatch('x');
    const portal = new Portal(1, new Random(SEED));
    for (let nowMs = 0; nowMs < 3600 * SECOND; nowMs += SECOND)
      expect(watch.look(portal.update(nowMs))).toEqual([]);
  });

  test('has agents that take tasks, come further with each, finish and rest, and sometimes fail', () => {
    const said = lives(new Agent(1, 'Scout', new Random(SEED)), 60);
    expect(new Set(said.map(({ status }) => status))).toEqual(new Set(['active', 'idle', 'error']));
    const first = said[0]?.tasks_completed_today as number;
    expect(said.at(-1)?.tasks_completed_today).toBeGreaterThan(first + 20);
    const progress = new Map<string, number>();
    for (const { current_task } of said) {
      if (current_task === null) continue;
      const { task_id, progress_percent } = current_task as { task_id: string; progress_percent: number };
      expect(progress_percent).toBeGreaterThanOrEqual(progress.get(task_id) ?? 0);
      progress.set(task_id, progress_percent);
    }
  });

  test('has workflows that go step by step to their end, one to ten events a second, and sometimes fail', () => {
    const said = lives(new WorkflowEngine('x', new Random(SEED)), 10);
    expect(said.length / 600).toBeGreaterThan(1);
    expect(said.length / 600).toBeLessThan(10);
    const ends = new Map<unknown, number>();
    for (const run of Map.groupBy(said, ({ workflow_id }) => workflow_id).values()) {
      const types = run.map(({ event_type, step_number }) => `${event_type} ${step_number}`);
      const end = types.at(-1)?.split(' ')[0];
      const middle = run.slice(1).flatMap((_, i) => [`step_completed ${i + 1}`, `step_started ${i + 2}`]);
      const expected = ['started 1', ...middle];
      const steps = ['completed', 'failed'].includes(end ?? '') ? types.slice(0, -1) : types;
      expect(steps).toEqual(expected.slice(0, steps.length));
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    expect(ends.get('completed')).toBeGreaterThan(50);
    expect(ends.get('failed')).toBeGreaterThan(5);
  });

  test('is the same for the same seed', () => {
    const update = (seed: number) => new Portal(3, new Random(seed)).update(0);
    expect(update(SEED)).toEqual(update(SEED));
    expect(update(SEED)).not.toEqual(update(SEED + 1));
  });
});
