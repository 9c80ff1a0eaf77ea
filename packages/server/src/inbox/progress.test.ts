import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeliveryRules } from './delivery-rules.ts';
import {
  NOT_BEGUN,
  noteDone,
  noteSent,
  noteSentAgain,
  type Progress,
  runAt,
  stretchesOf,
} from './progress.ts';

const rules = new DeliveryRules({ redeliveryMs: [60, 120, 240], ttlMs: 3600 });

describe('progress', () => {
  test('remembers of each message how often it was sent, and when it is due', () => {
    let progress = noteSent(NOT_BEGUN, 3, 60);
    progress = noteSent(progress, 5, 90);
    progress = noteSentAgain(progress, 5, { dueAt: 60, sentAt: 60 }, rules);
    expect(stretchesOf(progress)).toEqual([
      { after: 0, upTo: 3, attempt: 2, nextAt: 180 },
      { after: 3, upTo: 5, attempt: 1, nextAt: 90 },
    ]);
    progress = noteDone(progress, 2);
    expect(stretchesOf(progress)).toEqual([
      { after: 2, upTo: 3, attempt: 2, nextAt: 180 },
      { after: 3, upTo: 5, attempt: 1, nextAt: 90 },
    ]);
    expect(runAt(progress, 2)?.attempt).toBe(2);
    expect(runAt(progress, 6)).toBeUndefined();
  });

  test('counts a delivery of a part for that part alone', () => {
    const progress = noteSentAgain(noteSent(NOT_BEGUN, 9, 60), 4, { dueAt: 70, sentAt: 75 }, rules);
    expect(stretchesOf(progress)).toEqual([
      { after: 0, upTo: 4, attempt: 2, nextAt: 195 },
      { after: 4, upTo: 9, attempt: 1, nextAt: 60 },
    ]);
  });

  test('keeps few runs, and in doubt counts fewer deliveries and is due later', () => {
    type Step = readonly ['sent' | 'done' | 'again', number, number];
    const step: fc.Arbitrary<Step> = fc.tuple(
      fc.constantFrom('sent', 'done', 'again'),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 50 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let progress: Progress = NOT_BEGUN;
        /** What a memory without bounds would hold, by offset. */
        const sent = new Map<number, number>();
        let now = 0;
        for (const [kind, by, passed] of steps) {
          now += passed;
          const before = progress;
          if (kind === 'sent') {
            const upTo = progress.sent + by;
            for (let offset = progress.sent + 1; offset <= upTo; offset++) sent.set(offset, 1);
            progress = noteSent(progress, upTo, now + rules.waitAfter(1));
          } else if (kind === 'done') {
            progress = noteDone(progress, Math.min(progress.acked + by, progress.sent));
          } else {
            const due = stretchesOf(progress).filter((stretch) => rules.isDue(stretch, now));
            for (const { after, upTo } of due) {
              for (let offset = after + 1; offset <= upTo; offset++)
                sent.set(offset, (sent.get(offset) ?? 0) + 1);
            }
            progress = noteSentAgain(progress, progress.sent, { dueAt: now, sentAt: now }, rules);
            expect(stretchesOf(progress).some((stretch) => rules.isDue(stretch, now))).toBe(false);
          }
          expect(progress.runs.length).toBeLessThanOrEqual(16);
          expect(progress.acked).toBeGreaterThanOrEqual(before.acked);
          let after = progress.acked;
          for (const stretch of stretchesOf(progress)) {
            expect(stretch.after).toBe(after);
            expect(stretch.upTo).toBeGreaterThan(after);
            for (let offset = after + 1; offset <= stretch.upTo; offset++) {
              expect(stretch.attempt).toBeLessThanOrEqual(sent.get(offset) ?? 0);
            }
            after = stretch.upTo;
          }
          expect(after).toBe(progress.sent);
        }
      }),
    );
  });
});
