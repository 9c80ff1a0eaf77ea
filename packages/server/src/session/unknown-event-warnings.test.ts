import { expect, test } from 'vitest';
import { UnknownEventWarnings } from './unknown-event-warnings.ts';

function warnings(maxNames?: number) {
  const lines: string[] = [];
  const unknown = new UnknownEventWarnings({
    warn: ({ namespace, event, topic }) => lines.push(`${namespace}: ${event} on ${topic}`),
    onFull: (max) => lines.push(`full at ${max}`),
    ...(maxNames !== undefined && { maxNames }),
  });
  return { lines, unknown };
}

test('[PUB-9] each name is told once in each namespace', () => {
  const { lines, unknown } = warnings();
  for (const topic of ['shop.a', 'shop.b', 'stock.a']) {
    unknown.saw(topic, 'sold');
    unknown.saw(topic, 'sold');
  }
  unknown.saw('shop.a', 'returned');
  expect(lines).toEqual(['shop: sold on shop.a', 'stock: sold on stock.a', 'shop: returned on shop.a']);
});

test('[PUB-9] names that somebody makes up fill neither the memory nor the log', () => {
  const { lines, unknown } = warnings(3);
  for (let i = 0; i < 100_000; i++) unknown.saw('shop.a', `made-up-${i}`);
  expect(lines).toEqual([
    'shop: made-up-0 on shop.a',
    'shop: made-up-1 on shop.a',
    'shop: made-up-2 on shop.a',
    'full at 3',
  ]);
});
