import { MillraceError } from '@millrace/protocol';
import { describeShapeErrors } from '@millrace/protocol/client-message';
import type { FastifySchemaCompiler } from 'fastify';
import type Type from 'typebox';
import { Compile } from 'typebox/compile';
import { misspeltParameter } from '../query-names.ts';

/** Gives a value its type, or throws a `MillraceError` (`bad-message`) with the path of what is wrong, below `path`. */
export type ShapeCheck<Shape> = (value: unknown, path: string) => Shape;

export function createShapeCheck<Schema extends Type.TSchema>(
  schema: Schema,
): ShapeCheck<Type.Static<Schema>> {
  const validator = Compile(schema);
  return (value, path) => {
    if (validator.Check(value)) return value as Type.Static<Schema>;
    const found = describeShapeErrors(validator.Errors(value));
    const at = path + found.path;
    throw new MillraceError('bad-message', `"${at === '' ? '/' : at}" ${found.problem}`, {
      details: { path: at },
    });
  };
}

/** Where the parts of a request are named in errors. */
const PART_NAMES: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' };

/**
 * A query or path is an object of texts; whole numbers among them are read as such, and a name without a value as the number
 * that its schema gives for that.
 */
function readNumbers(value: unknown, { properties = {} }: ObjectSchema): unknown {
  const read: Record<string, unknown> = { ...(value as Record<string, string>) };
  for (const [name, { type, 'x-whenEmpty': whenEmpty }] of Object.entries(properties)) {
    const text = read[name];
    if (type !== 'integer' || typeof text !== 'string') continue;
    if (/^-?\d{1,15}$/.test(text)) read[name] = Number(text);
    else if (text === '' && whenEmpty !== undefined) read[name] = whenEmpty;
  }
  return read;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly type?: string; readonly 'x-whenEmpty'?: number }>>;
}

/**
 * Checks queries and paths. Bodies are checked by their routes: in a batch each event is refused by itself ([HTTP-2]).
 */
export const compileRequestCheck: FastifySchemaCompiler<Type.TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'body') return (value: unknown) => ({ value });
  const validator = Compile(schema);
  const part = PART_NAMES[httpPart ?? ''] ?? httpPart;
  const known = [...Object.keys((schema as ObjectSchema).properties ?? {}), 'token'];
  return (texts: unknown) => {
    const misspelt =
      httpPart === 'querystring' ? misspeltParameter(Object.keys(texts as object), known) : undefined;
    if (misspelt !== undefined) return { error: misspelt };
    const value = readNumbers(texts, schema as ObjectSchema);
    if (validator.Check(value)) return { value };
    const { path, problem } = describeShapeErrors(validator.Errors(value));
    const error = new MillraceError('bad-message', `${part}: "${path.slice(1)}" ${problem}`, {
      details: { path },
    });
    return { error };
  };
};
