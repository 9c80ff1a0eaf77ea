import type { MillraceEvent } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { type Scan, scanView } from './scan.ts';

const timestamp = '2026-01-01T00:00:00.000Z';

function scanOf(...events: (readonly [event: string, data: object])[]): Scan {
  return events.reduce(
    (scan, [event, data]) => scanView.fold(scan, { event, data, timestamp } as MillraceEvent),
    scanView.initial(),
  );
}

const finding = (severity: string, url = '/') => ['scan.finding', { type: 'xss', severity, url }] as const;

test('says how far it is and what it has found', () => {
  const scan = scanOf(
    ['scan.started', { scan_id: 's', target: 'shop.example' }],
    finding('high', '/a'),
    finding('low', '/b'),
    finding('high', '/c'),
    ['scan.progress', { progress: 50, message: '/c' }],
  );
  expect(scan).toMatchObject({
    scan_id: 's',
    target: 'shop.example',
    status: 'running',
    progress: 50,
    message: '/c',
    found: 3,
    by_severity: { high: 2, low: 1 },
  });
  expect(scan.findings.map(({ url }) => url)).toEqual(['/a', '/b', '/c']);
});

test('says how it ended', () => {
  expect(scanOf(['scan.completed', { findings: 3 }])).toMatchObject({
    status: 'completed',
    progress: 100,
    found: 3,
  });
  expect(scanOf(['scan.completed', { error: 'no route' }])).toMatchObject({ status: 'failed', progress: 0 });
});

test('counts all findings, whatever they are called, and keeps the newest, in less than a megabyte', () => {
  const long = '"'.repeat(50_000);
  const many = Array.from({ length: 500 }, (_, i) => finding(`${i}${long}`, `${i}${long}`));
  const scan = scanOf(...many, finding('__proto__'), finding('toString'));
  expect(scan.found).toBe(502);
  expect(scan.findings).toHaveLength(200);
  expect(scan.findings.at(-1)!.severity).toBe('toString');
  expect(Object.values(scan.by_severity).reduce((sum, n) => sum + n, 0)).toBe(502);
  expect(JSON.stringify(scan).length).toBeLessThan(1024 * 1024);
});
