import { CONFIG_OPTIONS } from '@millrace/server/config';
import { expect, test } from 'vitest';
import { documentConfig } from './config-reference.ts';

const rows = documentConfig()
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));

test('every option has one row, with its variable and what it means', () => {
  for (const { name, env } of CONFIG_OPTIONS) {
    const found = rows.filter(([, option]) => option === `\`${name}\``);
    expect(found).toHaveLength(1);
    expect(found[0]?.[4]).toBe(`\`${env}\``);
  }
  for (const row of rows) {
    expect(row).toHaveLength(8);
    expect(row[6]).not.toBe('');
  }
});

test('what is inside lists and namespaces is told too, once', () => {
  const names = rows.map(([, option]) => option);
  expect(names).toContain('`auth.apiKeys[].topics.subscribe`');
  expect(names).toContain('`namespaces.<name>.retention.maxAge`');
  expect(new Set(names).size).toBe(names.length);
});
