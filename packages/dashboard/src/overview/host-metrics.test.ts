import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { column, hostSamples } from './host-metrics.ts';

const at = (seconds: number, event = 'host.metrics'): MillraceEvent => ({
  topic: 'host.a',
  event,
  id: String(seconds),
  offset: seconds,
  epoch: 'e',
  timestamp: new Date(seconds * 1000).toISOString(),
  data: { cpu_percent: seconds },
});

test('samples are the host’s figures in seconds, other events are passed over', () => {
  const samples = hostSamples([at(1), at(2, 'other'), at(3)]);
  expect(samples.map(({ time }) => time)).toEqual([1, 3]);
  expect(column(samples, (metrics) => metrics.cpu_percent)).toEqual([1, 3]);
});

test('a silence breaks the line', () => {
  expect(column(hostSamples([at(1), at(2), at(60)]), (metrics) => metrics.cpu_percent)).toEqual([
    1,
    2,
    null,
    60,
  ]);
});
