import { MillraceError } from './codes.ts';

/**
 * Parses one JSON object from outside. Throws a `MillraceError` (`bad-json`, `too-deep`, `forbidden-key`) that says
 * what is wrong and where.
 */
export function parseJsonObject(text: string, maxDepth: number): Record<string, unknown> {
  return checkObject(parseJson(text), maxDepth);
}

/** Parses any JSON value from outside, which {@link checkValue} still has to pass. Throws a `MillraceError` (`bad-json`). */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError('bad-json', `the message is not JSON: ${describeSyntaxError(error as Error)}`);
  }
}

/** What `JSON.parse` says, without its quotation of the text, which may hold a token. */
function describeSyntaxError(error: Error): string {
  return error.message.replace(/, (\.\.\.)?".*$/s, '');
}

/** Checks a decoded value (JSON or MessagePack): an object, nested at most `maxDepth` deep, no `__proto__` key. */
export function checkObject(value: unknown, maxDepth: number): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MillraceError('bad-json', 'the message is not an object');
  }
  checkValue(value, maxDepth, '');
  return value as Record<string, unknown>;
}

/** Checks any decoded value; `path` is where it stands, for the error. */
export function checkValue(value: unknown, depthLeft: number, path: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) throw new MillraceError('too-deep', `nested too deep at "${path}"`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (typeof value[i] === 'object') checkValue(value[i], depthLeft - 1, `${path}/${i}`);
    }
    return;
  }
  for (const key in value) {
    if (key === '__proto__')
      throw new MillraceError('forbidden-key', `the key "__proto__" is not allowed at "${path}"`);
    const child = (value as Record<string, unknown>)[key];
    if (typeof child === 'object') checkValue(child, depthLeft - 1, `${path}/${key}`);
  }
}
