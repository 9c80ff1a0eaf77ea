import Type from 'typebox';
import { DURATION_PATTERN, type Duration } from '../duration.ts';

/*
 * What the sections of the configuration are made of.
 *
 * Annotations of our own: `flag` is the option of `millrace serve`; `path` marks a file or folder, relative to whoever
 * named it; `secret` keeps a value out of everything that is printed.
 */

export const text = (description: string, more: object = {}) =>
  Type.String({ minLength: 1, description, ...more });

export const count = (description: string, value: number, more: object = {}) =>
  Type.Integer({ minimum: 1, default: value, description, ...more });

/** A bound that is not there by default. */
export const bound = (description: string) => Type.Optional(Type.Integer({ minimum: 1, description }));

export const duration = (description: string, value?: Duration) =>
  Type.Unsafe<Duration>({
    type: 'string',
    pattern: DURATION_PATTERN,
    description,
    ...(value === undefined ? {} : { default: value }),
  });

export const strict = { additionalProperties: false } as const;

export const section = <P extends Type.TProperties>(description: string, properties: P) =>
  Type.Object(properties, { ...strict, description });

export const patterns = (description: string) => Type.Array(text('A topic or pattern.'), { description });

/** Without a name and password, which no request can be made with, and errors would show: `headers` have them. */
export const HTTP_URL = '^https?://[^/?#@]+([/?#]|$)';
/** A web page's origin, as browsers send it. */
export const ORIGIN = '^https?://[^/]+$';
