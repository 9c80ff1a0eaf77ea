import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coversPattern,
  findPatternProblem,
  findTopicProblem,
  hasWildcard,
  isPattern,
  isTopic,
  MAX_TOPIC_LENGTH,
  matchesPattern,
  namespaceOf,
  overlapsPattern,
} from './topic.ts';

describe('topics', () => {
  test.for(['a', 'task.build-7', 'A.b_c:d-9', '0', `${'a.'.repeat(127)}a`])(
    '[TOPIC-1] %s is a topic',
    (text) => {
      expect(findTopicProblem(text)).toBeUndefined();
      expect(findPatternProblem(text)).toBeUndefined();
    },
  );

  test.for<[text: string, problem: string]>([
    ['', 'is empty'],
    ['.', 'has an empty segment at character 1'],
    ['a..b', 'has an empty segment at character 3'],
    ['a.', 'has an empty segment at character 3'],
    ['.a', 'has an empty segment at character 1'],
    ['a b', 'has a character outside A-Z a-z 0-9 _ - : at character 2'],
    ['a/b', 'has a character outside A-Z a-z 0-9 _ - : at character 2'],
    ['a.é', 'has a character outside A-Z a-z 0-9 _ - : at character 3'],
    ['a\n', 'has a character outside A-Z a-z 0-9 _ - : at character 2'],
    ['a\u0000', 'has a character outside A-Z a-z 0-9 _ - : at character 2'],
    ['a'.repeat(MAX_TOPIC_LENGTH + 1), 'is longer than 255 bytes'],
  ])('[TOPIC-1] says of %j that it %s', ([text, problem]) => {
    expect(findTopicProblem(text)).toBe(problem);
    expect(findPatternProblem(text)).toBe(problem);
  });

  test('[TOPIC-1] agrees with the rule as a regular expression, whatever the text', () => {
    const letter = fc.constantFrom(...'azAZ09_-:.*@;`[/ é\u0000');
    fc.assert(
      fc.property(fc.string({ unit: letter, maxLength: 12 }), (text) => {
        expect(isTopic(text)).toBe(/^[A-Za-z0-9_:-]+(\.[A-Za-z0-9_:-]+)*$/.test(text));
        expect(isPattern(text)).toBe(/^([A-Za-z0-9_:-]+|\*)(\.([A-Za-z0-9_:-]+|\*))*$/.test(text));
      }),
      { numRuns: 5000 },
    );
  });

  test('[TOPIC-4] a pattern is no topic', () => {
    expect(findTopicProblem('task.*')).toBe(
      'has a character outside A-Z a-z 0-9 _ - : at character 6 (a pattern is not allowed here)',
    );
    expect(hasWildcard('task.*')).toBe(true);
    expect(hasWildcard('task.a')).toBe(false);
  });

  test('the namespace is the first segment', () => {
    expect(['task', 'task.a', 'task.a.b'].map(namespaceOf)).toEqual(['task', 'task', 'task']);
  });
});

/** The rule word by word: segment by segment, a final star for one or more. */
function matchesBySplitting(pattern: string, topic: string): boolean {
  const wanted = pattern.split('.');
  const segments = topic.split('.');
  const open = wanted.at(-1) === '*';
  if (open ? segments.length < wanted.length : segments.length !== wanted.length) return false;
  return wanted.every((segment, i) => segment === '*' || segment === segments[i]);
}

function topicsUpTo(length: number): string[] {
  const shorter = length === 1 ? [] : topicsUpTo(length - 1);
  const longest = shorter.filter((topic) => topic.split('.').length === length - 1);
  return [
    ...shorter,
    ...(length === 1
      ? ['a', 'b', 'c']
      : longest.flatMap((topic) => ['a', 'b', 'c'].map((next) => `${topic}.${next}`))),
  ];
}

/** Patterns below use two letters and at most 4 segments: with a third letter and a fifth segment this tells any two apart. */
const universe = topicsUpTo(5);
const smallPattern = fc
  .array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('.'));

describe('patterns', () => {
  test.for(['*', 'a.*', '*.a', 'a.*.b', '*.*'])('[TOPIC-2] %s is a pattern', (text) => {
    expect(findPatternProblem(text)).toBeUndefined();
  });

  test.for<[text: string, character: number]>([
    ['a*', 2],
    ['*a', 1],
    ['**', 1],
    ['a.**', 3],
    ['a.b*.c', 4],
  ])('[TOPIC-2] in %s the star is no whole segment', ([text, character]) => {
    expect(findPatternProblem(text)).toBe(`has a "*" that is not a whole segment at character ${character}`);
  });

  test.for<[pattern: string, topic: string, matches: boolean]>([
    ['task.*', 'task.a', true],
    ['task.*', 'task.a.b', true],
    ['task.*', 'task', false],
    ['task.*', 'tasks.a', false],
    ['*', 'a', true],
    ['*', 'a.b.c', true],
    ['*.b', 'a.b', true],
    ['*.b', 'a.a.b', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.b.c', false],
    ['*.*', 'a', false],
    ['a.b', 'a.b', true],
    ['a.b', 'a.bc', false],
    ['a.bc', 'a.b', false],
    ['a', 'a.b', false],
    ['a.b', 'a', false],
  ])('[TOPIC-2] %s over %s: %s', ([pattern, topic, matches]) => {
    expect(matchesPattern(pattern, topic)).toBe(matches);
  });

  test('[TOPIC-2] matching agrees with splitting', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', 'a:b', 'b-a');
    const topic = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join('.'));
    const pattern = fc
      .array(fc.oneof(segment, fc.constant('*')), { minLength: 1, maxLength: 6 })
      .map((segments) => segments.join('.'));
    fc.assert(
      fc.property(pattern, topic, (p, t) => {
        expect(matchesPattern(p, t)).toBe(matchesBySplitting(p, t));
      }),
      { numRuns: 20_000 },
    );
  });

  test('[TOPIC-2] a pattern made of a topic by stars matches it', () => {
    const segment = fc.string({ unit: fc.constantFrom(...'aZ0_-:'), minLength: 1, maxLength: 5 });
    const starred = fc.array(fc.tuple(segment, fc.boolean()), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(starred, fc.array(segment, { maxLength: 3 }), (segments, tail) => {
        const pattern = segments.map(([text, star]) => (star ? '*' : text)).join('.');
        const topic = segments.map(([text]) => text).join('.');
        expect(matchesPattern(pattern, topic)).toBe(true);
        const longer = [topic, ...tail].join('.');
        expect(matchesPattern(pattern, longer)).toBe(tail.length === 0 || pattern.endsWith('*'));
      }),
    );
  });

  test('[AUTH-6] one pattern covers another when it matches all that the other does', () => {
    fc.assert(
      fc.property(smallPattern, smallPattern, (outer, inner) => {
        const all = universe.filter((topic) => matchesBySplitting(inner, topic));
        expect(coversPattern(outer, inner)).toBe(all.every((topic) => matchesBySplitting(outer, topic)));
      }),
      { numRuns: 5000 },
    );
  });

  test('two patterns overlap when some topic matches both', () => {
    fc.assert(
      fc.property(smallPattern, smallPattern, (a, b) => {
        const common = universe.some((topic) => matchesBySplitting(a, topic) && matchesBySplitting(b, topic));
        expect(overlapsPattern(a, b)).toBe(common);
        expect(overlapsPattern(b, a)).toBe(common);
      }),
      { numRuns: 5000 },
    );
  });

  // With 100,000 segments a quadratic match takes 10^10 steps, a backtracking one for ever.
  test.for<[name: string, pattern: string, topic: string]>([
    ['stars', `${'*.'.repeat(100_000)}b`, `${'a.'.repeat(100_000)}a`],
    ['letters', `${'a.'.repeat(100_000)}b`, `${'a.'.repeat(100_000)}a`],
    ['stars and letters', `${'*.a.'.repeat(50_000)}b`, `${'a.'.repeat(100_000)}a`],
    ['one long segment', `${'a'.repeat(200_000)}b`, 'a'.repeat(200_001)],
  ])('[TOPIC-2] matching %s takes linear time', ([, pattern, topic]) => {
    const start = performance.now();
    expect(matchesPattern(pattern, topic)).toBe(false);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
