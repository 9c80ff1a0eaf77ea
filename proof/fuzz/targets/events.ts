import { builtInFamilies, createCatalog, earlier, eventFamily, eventType, Type } from '@millrace/catalog';
import { checkValue, MillraceError } from '@millrace/protocol';
import { Check } from 'typebox/value';
import { EventChecks } from '../../../packages/server/src/session/event-checks.ts';
import { broke, type FuzzTarget } from '../fuzz-target.ts';

const MAX_DEPTH = 32;

/** No family that comes with Millrace has earlier versions yet. */
const versions = eventFamily({
  name: 'fuzz',
  description: 'An event that has changed twice.',
  topics: ['fuzz.*'],
  events: [
    eventType({
      name: 'fuzz.moved',
      description: 'It moved.',
      data: Type.Object({ to: Type.Object({ x: Type.Number(), y: Type.Number() }) }),
      example: { to: { x: 1, y: 2 } },
      earlier: [
        earlier({
          data: Type.Object({ x: Type.Number(), y: Type.Optional(Type.Number()) }),
          upcast: ({ x, y = 0 }) => ({ to: { x, y } }),
        }),
        earlier({ data: Type.Tuple([Type.Number(), Type.Number()]), upcast: ([x, y]) => ({ x, y }) }),
      ],
    }),
  ],
});

const catalog = createCatalog([versions, ...builtInFamilies]);
const types = catalog.families.flatMap(({ events }) => [...events]);
const MOVES = [{ x: 1 }, { x: 1, y: -2.5 }, [3, 4], { to: { x: 0, y: 0 }, x: 'a' }];

/** What the compiled checks are held to: the same schemas, read anew for each input. */
function meetsSomeVersion(event: string, data: unknown): boolean {
  const type = catalog.find(event);
  if (type === undefined) return true;
  return [type.data, ...type.earlier.map((version) => version.data)].some((schema) => Check(schema, data));
}

function judge(event: string, data: unknown, refusal: MillraceError | undefined): void {
  if (meetsSomeVersion(event, data) !== (refusal === undefined))
    broke('the compiled check says otherwise than the schema');
  const upcast = catalog.upcast(event, data);
  if (refusal !== undefined) {
    if (upcast !== data) broke('what was refused is read as something else');
    if (!String(refusal.details?.path).startsWith('/data')) broke('the path does not begin with the data');
    return;
  }
  const type = catalog.find(event);
  if (type !== undefined && !Check(type.data, upcast))
    broke('what was taken does not read as the newest version');
}

function refusalOf(checks: EventChecks, event: string, data: unknown): MillraceError | undefined {
  try {
    checks.assert({ topic: 'fuzz.a', event, data: JSON.stringify(data) });
    return undefined;
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

export const events: FuzzTarget = {
  name: 'events',
  seeds: [
    ...types.map(({ name, example }) => JSON.stringify({ event: name, data: example })),
    ...MOVES.map((data) => JSON.stringify({ event: 'fuzz.moved', data })),
  ],
  words: [
    ...types.map(({ name }) => JSON.stringify(name)),
    '"data":',
    '"progress":',
    '"metrics":{',
    '[]',
    '{}',
  ],
  shape: 'json',
  create: () => {
    const checks = new EventChecks({
      catalog,
      unknownEventsOf: () => 'allow',
      onUnknown: () => broke('it warns where unknown events are allowed'),
    });
    return (input) => {
      const [event, data] = eventOf(input);
      const refusal = refusalOf(checks, event, data);
      judge(event, data, refusal);
      return refusal === undefined && catalog.has(event);
    };
  },
};

/** As it comes to the checks: decoded, and not too deep. */
function eventOf(input: Buffer): [event: string, data: unknown] {
  let value: unknown;
  try {
    value = JSON.parse(input.toString());
  } catch {
    throw new MillraceError('bad-json', 'it is no JSON');
  }
  checkValue(value, MAX_DEPTH, '');
  const { event, data } = Object(value) as { event?: unknown; data?: unknown };
  if (typeof event !== 'string' || data === undefined)
    throw new MillraceError('bad-message', 'it is no event');
  return [event, data];
}
