import { describeShapeErrors, type ShapeError } from '@millrace/protocol/client-message';

/** What is wrong with an event's data. */
export interface DataProblem {
  /** JSON pointer into the data; empty when it is the data itself. */
  readonly path: string;
  /** The end of a sentence that begins with the path. */
  readonly problem: string;
}

/** Of all that a check complains about, what the publisher should mend first. */
export function describeDataErrors(errors: readonly ShapeError[]): DataProblem {
  return describeWithin(errors, '#');
}

/** `place` is the schema that all these errors lie in. */
function describeWithin(errors: readonly ShapeError[], place: string): DataProblem {
  const [first] = errors;
  const union = first && /^(.*?)\/anyOf\/\d+/.exec(first.schemaPath.slice(place.length))?.[1];
  if (first === undefined || union === undefined) return describeOne(first);
  return describeUnion(errors, place + union);
}

/**
 * Of a union every member complains. The one that was meant, if it is clear which, says what is wrong; otherwise it is all that can
 * be said that none fits.
 */
function describeUnion(errors: readonly ShapeError[], union: string): DataProblem {
  const path = errors.find(
    ({ keyword, schemaPath }) => keyword === 'anyOf' && schemaPath === union,
  )?.instancePath;
  const members = membersOf(errors, union);
  const meant = [...members].filter(([, found]) => !found.some((error) => isOfAnotherKind(error, path)));
  const [only] = meant;
  if (only !== undefined && meant.length === 1) return describeWithin(only[1], only[0]);
  return { path: path ?? '', problem: 'has none of the shapes that it may have' };
}

/** The errors of each member of a union, by the member's place. */
function membersOf(errors: readonly ShapeError[], union: string): Map<string, ShapeError[]> {
  const members = new Map<string, ShapeError[]>();
  for (const error of errors) {
    if (!error.schemaPath.startsWith(`${union}/anyOf/`)) continue;
    const [index = ''] = error.schemaPath.slice(`${union}/anyOf/`.length).split('/', 1);
    const place = `${union}/anyOf/${index}`;
    members.set(place, [...(members.get(place) ?? []), error]);
  }
  return members;
}

/** Whether the value at `path` is of another type than the member, or has another value where kinds are told apart. */
function isOfAnotherKind({ keyword, instancePath }: ShapeError, path = ''): boolean {
  if (keyword === 'const') return !instancePath.slice(path.length + 1).includes('/');
  return instancePath === path && (keyword === 'type' || keyword === 'enum');
}

function describeOne(error: ShapeError | undefined): DataProblem {
  switch (error?.keyword) {
    case 'const':
      return { path: error.instancePath, problem: `must be ${JSON.stringify(error.params.allowedValue)}` };
    case 'pattern':
      return { path: error.instancePath, problem: `does not match ${error.params.pattern}` };
    case 'boolean':
      return { path: error.instancePath, problem: 'is a field that its schema forbids' };
    default:
      return describeShapeErrors(error === undefined ? [] : [error]);
  }
}
