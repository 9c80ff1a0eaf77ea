import type { EventFamily } from '@millrace/catalog';
import { MAX_NAME_LENGTH } from '@millrace/protocol';
import Type from 'typebox';
import { patterns, section, text } from './section.ts';

const Family = section('Kinds of events of your own, by `eventFamily()` of `@millrace/catalog`.', {
  name: text('Its name, such as `order`.'),
  description: text('A paragraph for whoever reads the documentation.'),
  topics: patterns('Where these events are usual; `view` is the view of these topics.'),
  events: Type.Array(
    section('One kind of event, by `eventType()`.', {
      name: Type.String({
        minLength: 1,
        maxLength: MAX_NAME_LENGTH,
        pattern: '^[^\\p{Cc}\\p{Cs}]*$',
        description: 'Its name, such as `order.shipped`.',
      }),
      description: text('What happened, and when it is published.'),
      data: Type.Object({}, { description: 'The JSON Schema of its data.' }),
      example: Type.Unknown({ description: 'Data that meets the schema.' }),
      earlier: Type.Optional(
        Type.Array(
          section('How it looked before, by `earlier()`.', {
            data: Type.Object({}, { description: 'The JSON Schema of its data then.' }),
            upcast: Type.Unknown({
              description: 'A function that gives the data as the next version has it.',
            }),
          }),
          { description: 'Earlier versions, the newest first.' },
        ),
      ),
    }),
    { minItems: 1, description: 'What may happen.' },
  ),
  view: Type.Optional(
    section('What the events of a topic add up to.', {
      name: text('What kind of state it is.'),
      version: Type.Integer({ description: 'To be raised when `fold` or the state’s shape changes.' }),
      holdsLog: Type.Boolean({ description: 'The log is trimmed only behind a stored state.' }),
      initial: Type.Unknown({ description: 'A function that gives the state of an empty topic.' }),
      fold: Type.Unknown({ description: 'A function of a state and an event that gives the next state.' }),
    }),
  ),
});

export const FamiliesSchema = Type.Unsafe<readonly EventFamily[]>(
  Type.Array(Family, {
    default: [],
    description:
      'Kinds of events of your own, beside those that come with Millrace. What has functions (views, earlier versions) is said in `millrace.config.ts`.',
  }),
);
