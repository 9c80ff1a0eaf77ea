import { describeShapeErrors, MillraceError } from '@millrace/protocol';
import type { FastifySchemaCompiler } from 'fastify';
import type Type from 'typebox';
import { Compile } from 'typebox/compile';

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
 * Checks queries and paths, whose texts become the numbers and booleans that their schemas ask for. Bodies are checked
 * by their routes: in a batch each event is refused by itself ([HTTP-2]).
 */
export const compileRequestCheck: FastifySchemaCompiler<Type.TSchema> = ({ schema, httpPart }) => {
  if (httpPart === 'body') return (value: unknown) => ({ value });
  const validator = Compile(schema);
  const part = PART_NAMES[httpPart ?? ''] ?? httpPart;
  return (value: unknown) => {
    const converted = validator.Convert(value);
    if (validator.Check(converted)) return { value: converted };
    const { path, problem } = describeShapeErrors(validator.Errors(converted));
    const error = new MillraceError('bad-message', `${part}: "${path.slice(1)}" ${problem}`, {
      details: { path },
    });
    return { error };
  };
};
