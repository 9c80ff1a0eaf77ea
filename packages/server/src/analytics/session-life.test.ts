import { MillraceError } from '@millrace/protocol';
import { ManualClock, until } from '@millrace/testkit';
import { expect, test } from 'vitest';
import type { Identity } from '../auth/identity.ts';
import { systemTurns } from '../clock.ts';
import type { EncodedInput, Publisher } from '../session/publisher.ts';
import type { Session } from '../session/session.ts';
import { SessionLife } from './session-life.ts';

/** A log that stores when it is told to. */
function createLife(maxWaiting?: number) {
  const clock = new ManualClock();
  const batches: (readonly EncodedInput[])[] = [];
  const answers: ((outcomes: unknown[]) => void)[] = [];
  const errors: string[] = [];
  const publisher = {
    publishInternally: (_: string, inputs: readonly EncodedInput[]) => {
      batches.push(inputs);
      return new Promise((resolve) => answers.push(resolve));
    },
  } as unknown as Publisher;
  const onError = (error: unknown): void => void errors.push((error as Error).message);
  const life = new SessionLife({
    publisher,
    clock,
    turns: systemTurns,
    onError,
    ...(maxWaiting && { maxWaiting }),
  });
  const open = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const session = { id: `c${i}`, door: 'websocket', connectedAt: clock.now() } as Session;
      life.opened(session, { entityId: 'default', userId: 'ann', roles: [] } as unknown as Identity, 1);
    }
  };
  return { clock, life, batches, answers, errors, open };
}

test('[LIFE-4] a storm is stored in batches, one after the other', async () => {
  const { clock, batches, answers, open } = createLife();
  open(600);
  expect(batches).toHaveLength(0);
  clock.advance(20);
  for (const size of [250, 250, 100]) {
    await until(() => batches.length > 0 && answers.length > 0);
    expect(batches.pop()).toHaveLength(size);
    answers.pop()?.([]);
  }
});

test('[LIFE-4] what is too much is left out and counted, and said once', async () => {
  const { clock, life, batches, answers, errors, open } = createLife(10);
  open(12);
  expect(life.counters.dropped).toBe(2);
  expect(errors).toEqual(['10 of them wait for the log already']);
  clock.advance(20);
  await until(() => answers.length > 0);
  expect(batches[0]).toHaveLength(10);
  answers[0]?.([new MillraceError('storage-full', 'no room')]);
  await until(() => life.counters.dropped === 3);
  expect(errors).toHaveLength(1);
});

test('[LIFE-4] nothing is left behind at the end', async () => {
  const { life, batches, answers, open } = createLife();
  open(3);
  const closed = life.close();
  await until(() => answers.length > 0);
  answers[0]?.([]);
  await closed;
  expect(batches[0]).toHaveLength(3);
});
