import { describe, expect, test } from 'vitest';
import { TokenCache } from './token-cache.ts';

const alice = { userId: 'alice' };

describe('TokenCache', () => {
  test('gives back what it was given until that time', () => {
    const cache = new TokenCache<typeof alice>(2);
    cache.set('a', alice, 1000);
    expect(cache.get('a', 999)).toBe(alice);
    expect(cache.get('a', 1000)).toBeUndefined();
    expect(cache.get('a', 999)).toBeUndefined();
  });

  test('forgets the least recently used', () => {
    const cache = new TokenCache<typeof alice>(2);
    cache.set('a', alice, 1000);
    cache.set('b', alice, 1000);
    cache.get('a', 0);
    cache.set('c', alice, 1000);
    expect(['a', 'b', 'c'].filter((digest) => cache.get(digest, 0) !== undefined)).toEqual(['a', 'c']);
  });
});
