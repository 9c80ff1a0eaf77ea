import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { IDEMPOTENCY_WINDOW_MS } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { IDEMPOTENCY_WINDOW_KEYS, IdempotencyWindow } from './idempotency-window.ts';

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('forgets the oldest keys beyond the window, whatever was taken back in between', () => {
  const window = new IdempotencyWindow();
  for (let n = 1; n <= IDEMPOTENCY_WINDOW_KEYS; n++) {
    window.add(`undone-${n}`, n, n, 'id', 1000);
    window.remove(`undone-${n}`);
    window.add(`key-${n}`, n, n, 'id', 1000);
  }
  window.remove('key-1');
  window.remove('key-500');
  for (let n = 0; n < 3; n++) window.add(`later-${n}`, n, n, 'id', 1001 + IDEMPOTENCY_WINDOW_MS);
  expect(window.size).toBe(IDEMPOTENCY_WINDOW_KEYS);
  expect(window.get('key-2')).toBeUndefined();
  expect(window.get('key-3')).toMatchObject({ offset: 3 });
  expect(window.get('later-2')).toMatchObject({ offset: 2 });
});

// A disk that is full for hours: whoever tries again with the same key left an entry behind each time.
test('holds nothing of keys that were taken back', () => {
  const window = new IdempotencyWindow();
  const before = heldBytes();
  for (let n = 0; n < 200_000; n++) {
    window.add('again', 1, 1, 'id', n);
    window.remove('again');
  }
  expect(window.size).toBe(0);
  expect(heldBytes() - before).toBeLessThan(5_000_000);
});
