import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergeSeqs } from './seq-merge.ts';

function source(seqs: readonly number[], asked: () => void = () => {}) {
  let at = 1;
  return {
    first: seqs[0] as number,
    rest(count: number) {
      asked();
      const chunk = seqs.slice(at, at + count);
      at += count;
      return chunk;
    },
  };
}

it('hands out the lowest seqs of all topics in order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 400 }), fc.nat(450), (owners, count) => {
      const topics = new Map<number, number[]>();
      owners.forEach((owner, index) => {
        topics.set(owner, [...(topics.get(owner) ?? []), index + 1]);
      });
      const merged = mergeSeqs(
        [...topics.values()].map((seqs) => source(seqs)),
        count,
      );
      expect(merged).toEqual(owners.map((_, index) => index + 1).slice(0, count));
    }),
  );
});

it('asks nothing of topics that lie behind the page', () => {
  let asked = 0;
  const early = source(Array.from({ length: 100 }, (_, i) => i + 1));
  const late = source([1000, 1001], () => asked++);
  expect(mergeSeqs([late, early], 50)).toHaveLength(50);
  expect(asked).toBe(0);
});
