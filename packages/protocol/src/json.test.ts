import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MillraceError } from './codes.ts';
import { checkObject, parseJsonObject } from './json.ts';

function failureOf(check: () => unknown): MillraceError {
  try {
    check();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = depth; level > 1; level--) value = level % 2 === 0 ? [value] : { a: value };
  return { a: value };
}

describe('parseJsonObject', () => {
  test('[MSG-2] gives what JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (object) => {
        const text = JSON.stringify(object);
        fc.pre(!text.includes('"__proto__":'));
        expect(parseJsonObject(text, 32)).toEqual(JSON.parse(text));
      }),
    );
  });

  test.for(['', '{', '{"a":}', "{'a':1}", '{"a":1}x', 'undefined', '{"a":"\n"}', 'NaN'])(
    '[MSG-2] %j is not JSON',
    (text) => {
      expect(failureOf(() => parseJsonObject(text, 32)).code).toBe('bad-json');
    },
  );

  test.for(['null', '1', '"text"', 'true', '[]', '[{}]'])('[MSG-2] %s is not an object', (text) => {
    expect(failureOf(() => parseJsonObject(text, 32))).toMatchObject({
      code: 'bad-json',
      message: 'the message is not an object',
    });
  });

  test('[MSG-2] the error says what is wrong and does not quote the message', () => {
    const short = failureOf(() => parseJsonObject('{"token":secret}', 32));
    expect(short.message).toBe("the message is not JSON: Unexpected token 's'");
    const long = failureOf(() => parseJsonObject(`{"type":"auth","token":"${'secret'.repeat(20)}"x}`, 32));
    expect(long.message).not.toContain('secret');
    const multiline = failureOf(() => parseJsonObject('{"a":\n x, "token":"secret"}', 32));
    expect(multiline.message).not.toContain('secret');
  });

  test('[MSG-2] nesting is allowed up to the limit, the message being the first level', () => {
    for (const depth of [1, 2, 32]) {
      expect(parseJsonObject(JSON.stringify(nested(depth)), depth)).toEqual(nested(depth));
      expect(failureOf(() => parseJsonObject(JSON.stringify(nested(depth + 1)), depth)).code).toBe(
        'too-deep',
      );
    }
    expect(failureOf(() => parseJsonObject('{"a":{"b":[[]]}}', 3)).message).toBe(
      'nested too deep at "/a/b/0"',
    );
  });

  test('[MSG-2] nesting far beyond the limit costs no stack', () => {
    const text = `{"a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
    expect(failureOf(() => parseJsonObject(text, 32)).code).toBe('too-deep');
  });

  test.for<[text: string, path: string]>([
    ['{"__proto__":1}', ''],
    ['{"__proto__":{"admin":true}}', ''],
    ['{"a":[{"__proto__":null}]}', '/a/0'],
    ['{"a":{"\\u005f_proto__":1}}', '/a'],
  ])('[MSG-2] refuses the key __proto__ in %s', ([text, path]) => {
    expect(failureOf(() => parseJsonObject(text, 32))).toMatchObject({
      code: 'forbidden-key',
      message: `the key "__proto__" is not allowed at "${path}"`,
    });
  });

  test('[MSG-2] a value "__proto__" and a key "constructor" are data like any other', () => {
    const text = '{"a":"__proto__","constructor":{"prototype":1}}';
    expect(JSON.stringify(parseJsonObject(text, 32))).toBe(text);
  });
});

describe('checkObject', () => {
  test('[MSG-2] checks what another decoder made', () => {
    const value = { a: Object.create(null) as unknown, b: new Uint8Array([1, 2]) };
    expect(checkObject(value, 2)).toBe(value);
    expect(failureOf(() => checkObject(undefined, 2)).code).toBe('bad-json');
    expect(failureOf(() => checkObject(value, 1)).code).toBe('too-deep');
  });
});
