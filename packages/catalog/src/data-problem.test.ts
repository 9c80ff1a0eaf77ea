import { expect, test } from 'vitest';
import { createCatalog, eventFamily, eventType, Type } from './index.ts';

const Circle = Type.Object({ kind: Type.Literal('circle'), radius: Type.Number({ maximum: 3 }) });
const Text = Type.Object({
  kind: Type.Literal('text'),
  lines: Type.Array(Type.Union([Type.String(), Type.Null()])),
});

const drawn = eventType({
  name: 'drawn',
  description: 'Something was drawn.',
  data: Type.Object({
    shape: Type.Optional(Type.Union([Circle, Text, Type.Null()])),
    color: Type.Optional(Type.String({ pattern: '^#[0-9a-f]{6}$' })),
    pen: Type.Optional(Type.Object({ width: Type.Number() }, { additionalProperties: false })),
    tool: Type.Optional(Type.Literal('pen')),
    size: Type.Optional(Type.Union([Type.Literal('s'), Type.Literal('m')])),
    layer: Type.Optional(Type.Union([Type.Integer(), Type.Object({ name: Type.String() })])),
  }),
  example: {},
});
const catalog = createCatalog([
  eventFamily({ name: 'drawing', description: 'Drawings.', topics: ['d.*'], events: [drawn] }),
]);

const NONE = 'has none of the shapes that it may have';

test.each([
  [
    'of the member that its kind names',
    { shape: { kind: 'circle', radius: 4 } },
    '/shape/radius',
    'must be <= 3',
  ],
  ['that the member lacks', { shape: { kind: 'circle' } }, '/shape/radius', 'is missing'],
  ['in a union within it', { shape: { kind: 'text', lines: ['a', 7] } }, '/shape/lines/1', NONE],
  ['of no member', { shape: 7 }, '/shape', NONE],
  ['of an unknown kind', { shape: { kind: 'square' } }, '/shape', NONE],
  ['of the only object among the members', { layer: { name: 7 } }, '/layer/name', 'must be string'],
  ['that is none of some values', { size: 'l' }, '/size', NONE],
  [
    'that a schema forbids',
    { pen: { width: 1, colour: 'red' } },
    '/pen/colour',
    'is a field that its schema forbids',
  ],
  ['of another form', { color: 'red' }, '/color', 'does not match ^#[0-9a-f]{6}$'],
  ['of another value', { tool: 'brush' }, '/tool', 'must be "pen"'],
  ['at the top', [], '', 'must be object'],
])('a fault %s is named by its path', (_what, data, path, problem) => {
  expect(catalog.check('drawn', data)).toEqual({ path, problem });
});
