import { expect, test } from 'vitest';
import { misspeltParameter } from './query-names.ts';

const KNOWN = ['topics', 'since', 'last', 'token'];
const refused = (...given: string[]): unknown => misspeltParameter(given, KNOWN)?.details;

test.each(['topic', 'topicss', 'tpics', 'sinse', 'Last', 'tokens'])(
  '[HTTP-6] %s is one letter away from a name that is known',
  (name) => {
    expect(refused(name)).toEqual({ path: `/${name}` });
  },
);

test.each(['topics', '_', 't', 'utm_source', 'cicne', '', 'lat1'])('[HTTP-6] %s is let through', (name) => {
  expect(refused(name)).toBeUndefined();
});

test('[HTTP-6] what is given beside the known name is something else', () => {
  expect(refused('topic', 'topics')).toBeUndefined();
  expect(misspeltParameter(['topic'], KNOWN)?.message).toBe(
    'query: "topic" is not known; did you mean "topics"?',
  );
});
