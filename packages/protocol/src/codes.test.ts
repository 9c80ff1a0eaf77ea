import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CODE_MEANINGS } from './code-meanings.ts';
import {
  CODE_TABLE,
  CODES,
  type Code,
  type CodeName,
  codeOfClose,
  MillraceError,
  STANDARD_CLOSE,
  shouldReconnect,
} from './codes.ts';

const table = Object.entries(CODE_TABLE) as readonly (readonly [CodeName, Code])[];

/** The rows of PROTOCOL.md between its markers, without head and rule. */
function documentedRows(): readonly (readonly string[])[] {
  const page = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8');
  const between = page.split('<!-- codes:begin -->')[1]?.split('<!-- codes:end -->')[0] ?? '';
  const rows = between.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

describe('codes', () => {
  test('PROTOCOL.md lists exactly this table, in this order', () => {
    const documented = documentedRows().filter(([name]) => name !== '–');
    expect(documented).toEqual(
      table.map(([name, { close, http, retryable }]) => [
        `\`${name}\``,
        String(close ?? '–'),
        String(http ?? '–'),
        retryable ? 'yes' : 'no',
        CODE_MEANINGS[name],
      ]),
    );
  });

  test('[CLOSE-1] PROTOCOL.md and shouldReconnect agree on the numbers of RFC 6455', () => {
    const standard = documentedRows().filter(([name]) => name === '–');
    const numbers = standard.flatMap(([, closes = '', , retryable]) =>
      closes.split(', ').map((close) => [Number(close), retryable === 'yes'] as const),
    );
    expect(numbers.map(([close]) => close)).toEqual([
      STANDARD_CLOSE.normal,
      STANDARD_CLOSE.goingAway,
      STANDARD_CLOSE.invalidData,
      STANDARD_CLOSE.policyViolation,
      STANDARD_CLOSE.tooBig,
    ]);
    for (const [close, retryable] of numbers) expect(shouldReconnect(close)).toBe(retryable);
  });

  test('[CLOSE-1] a close number says by its range whether to come back', () => {
    for (const [name, { close, retryable }] of table) {
      if (close === undefined) continue;
      expect(close >= 4000 && close <= 4999, name).toBe(true);
      expect(close < 4500, name).toBe(retryable);
      expect(shouldReconnect(close), name).toBe(retryable);
      expect(codeOfClose(close)).toBe(name);
    }
  });

  test('[CLOSE-1] numbers that are not in the table count by their range', () => {
    expect([4400, 4499, 4500, 4999].map(shouldReconnect)).toEqual([true, true, false, false]);
    expect(codeOfClose(4400)).toBeUndefined();
  });

  test('[CLOSE-1] a lost connection is worth another, a protocol error is not', () => {
    expect([1000, 1001, 1005, 1006, 1011, 1012].every(shouldReconnect)).toBe(true);
    expect([1002, 1003, 1007, 1008, 1009].some(shouldReconnect)).toBe(false);
  });

  test('[CLOSE-1] no number means two things', () => {
    const numbers = table.flatMap(([, { close }]) => close ?? []);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('MillraceError', () => {
  test('knows its code, whether to retry, and its details', () => {
    const cause = new Error('disk');
    const error = new MillraceError('storage-full', 'no room', { details: { free: 0 }, cause });
    expect(error).toMatchObject({ code: 'storage-full', message: 'no room', details: { free: 0 }, cause });
    expect(error.retryable).toBe(CODES['storage-full'].retryable);
    expect(new MillraceError('forbidden', 'no')).not.toHaveProperty('cause');
  });
});
