import { afterEach, expect, test, vi } from 'vitest';
import { globalPlatform } from './platform.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

test('in a browser, coming online and becoming visible wake the client, until the undo', () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
  const browserWindow = new EventTarget();
  vi.stubGlobal('window', browserWindow);
  vi.stubGlobal('document', page);
  let woken = 0;
  const off = globalPlatform.onWake(() => woken++);
  page.dispatchEvent(new Event('visibilitychange'));
  expect(woken).toBe(0);
  page.visibilityState = 'visible';
  page.dispatchEvent(new Event('visibilitychange'));
  browserWindow.dispatchEvent(new Event('online'));
  expect(woken).toBe(2);
  off();
  browserWindow.dispatchEvent(new Event('online'));
  expect(woken).toBe(2);
});

test('where there is no page nothing wakes, and nothing breaks', () => {
  expect(() => globalPlatform.onWake(() => {})()).not.toThrow();
});

test('ids are 128 random bits in hex', () => {
  const ids = new Set(Array.from({ length: 100 }, () => globalPlatform.uniqueId()));
  expect(ids.size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
});
