import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dashboardIsStale } from './ensure-dashboard.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'));
});

afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, seconds: number): void {
  const file = join(root, 'packages', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  utimesSync(file, seconds, seconds);
}

test('there is nothing to build while there is no dashboard', () => {
  write('dashboard/package.json', 1);
  expect(dashboardIsStale(root)).toBe(false);
});

test('a missing bundle is stale', () => {
  write('dashboard/index.html', 1);
  expect(dashboardIsStale(root)).toBe(true);
});

test('a bundle newer than its sources is not', () => {
  write('dashboard/index.html', 1);
  write('dashboard/src/app.tsx', 2);
  write('dashboard/dist/index.html', 3);
  expect(dashboardIsStale(root)).toBe(false);
});

test.for(['dashboard/src/app.tsx', 'client/src/client.ts', 'dashboard/vite.config.ts'])(
  'a change of %s makes it stale',
  (source) => {
    write('dashboard/index.html', 1);
    write('dashboard/dist/index.html', 3);
    write(source, 4);
    expect(dashboardIsStale(root)).toBe(true);
  },
);

test('a changed test does not', () => {
  write('dashboard/index.html', 1);
  write('dashboard/dist/index.html', 3);
  write('client/src/client.test.ts', 4);
  expect(dashboardIsStale(root)).toBe(false);
});
