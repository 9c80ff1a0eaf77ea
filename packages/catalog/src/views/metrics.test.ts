import type { MillraceEvent } from '@millrace/protocol';
import { describe, expect, test } from 'vitest';
import { type Metrics, metricsView } from './metrics.ts';

const START_MS = Date.parse('2026-01-01T00:00:00.000Z');

interface Measured {
  readonly atMs: number;
  readonly data: object;
  readonly event?: string;
  readonly key?: string;
}

function metricsOf(events: readonly Measured[]): Metrics {
  return events.reduce(
    (state, { atMs, data, event = 'consciousness_update', key }, i) =>
      metricsView.fold(state, {
        topic: 'metrics.consciousness',
        epoch: 'e',
        offset: i + 1,
        id: `id-${i}`,
        timestamp: new Date(START_MS + atMs).toISOString(),
        event,
        data,
        ...(key !== undefined && { key }),
      } as MillraceEvent),
    metricsView.initial(),
  );
}

const portal = (atMs: number, portal_id: string, metrics: object): Measured => ({
  atMs,
  data: { portal_id, metrics },
});

describe('the view of metrics', () => {
  test('has the newest of each source and how its figures went', () => {
    const { sources } = metricsOf([
      portal(0, 'a', { harmony: 0.5, prana: 1 }),
      portal(500, 'b', { harmony: 0.1 }),
      portal(1000, 'a', { harmony: 0.6, prana: 2 }),
    ]);
    expect(sources).toEqual([
      {
        source: 'a',
        event: 'consciousness_update',
        timestamp: '2026-01-01T00:00:01.000Z',
        data: { portal_id: 'a', metrics: { harmony: 0.6, prana: 2 } },
        window: { times: [START_MS, START_MS + 1000], figures: { harmony: [0.5, 0.6], prana: [1, 2] } },
      },
      expect.objectContaining({
        source: 'b',
        window: { times: [START_MS + 500], figures: { harmony: [0.1] } },
      }),
    ]);
  });

  test('tells sources apart by portal_id, source_id, key and name', () => {
    const { sources } = metricsOf([
      { atMs: 0, data: { portal_id: 'p' }, key: 'k' },
      { atMs: 0, data: { source_id: 's' }, key: 'k' },
      { atMs: 0, data: {}, key: 'k' },
      { atMs: 0, data: { cpu: 1 }, event: 'figures' },
    ]);
    expect(sources.map(({ source }) => source)).toEqual(['p', 's', 'k', 'figures']);
  });

  test('a second has one point: what is measured again takes its place', () => {
    const { sources } = metricsOf([
      portal(0, 'a', { x: 1, y: 1 }),
      portal(100, 'a', { x: 2 }),
      portal(1100, 'a', { x: 3 }),
    ]);
    expect(sources[0]?.window).toEqual({
      times: [START_MS + 100, START_MS + 1100],
      figures: { x: [2, 3], y: [1, null] },
    });
  });

  test('keeps a minute; a figure that was not measured for so long is forgotten', () => {
    const events = Array.from({ length: 200 }, (_, i) =>
      portal(i * 1000, 'a', i < 150 ? { x: i, once: 1 } : { x: i }),
    );
    const { times, figures } = metricsOf(events).sources[0]?.window ?? { times: [], figures: {} };
    expect(times).toHaveLength(60);
    expect(figures.x).toEqual(Array.from({ length: 60 }, (_, i) => 140 + i));
    expect(figures.once?.filter((value) => value !== null)).toHaveLength(10);
    const later = Array.from({ length: 60 }, (_, i) => portal((200 + i) * 1000, 'a', { x: 0 }));
    expect(metricsOf([...events, ...later]).sources[0]?.window.figures).not.toHaveProperty('once');
  });

  test('takes numbers alone, to six digits, and only from `metrics`', () => {
    const { sources } = metricsOf([portal(0, 'a', { x: 0.123456789, y: 'high', constructor: 1e12 })]);
    expect(sources[0]?.window.figures).toEqual({ x: [0.123457], constructor: [1e12] });
  });

  test('stays below a megabyte: of too many sources the quietest goes', () => {
    const metrics = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`figure_${i}`, Math.PI * i]));
    const events = Array.from({ length: 60 }, (_, second) =>
      Array.from({ length: 128 }, (_, n) => portal(second * 1000 + n, `portal-${n}`, metrics)),
    ).flat();
    const full = metricsOf(events);
    expect(JSON.stringify(full).length).toBeLessThan(1024 * 1024);
    const { sources } = metricsView.fold(full, {
      event: 'x',
      timestamp: new Date(START_MS + 60_000).toISOString(),
      data: { portal_id: 'new' },
    } as MillraceEvent);
    expect(sources).toHaveLength(128);
    expect(sources.map(({ source }) => source)).not.toContain('portal-0');
  });
});
