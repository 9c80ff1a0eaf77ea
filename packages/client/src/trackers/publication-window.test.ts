import { MillraceError, type PublishResult } from '@millrace/protocol';
import { expect, test } from 'vitest';
import { FakePlatform } from '../../test/fake-platform.ts';
import { PublicationWindow } from './publication-window.ts';

const result = (offset: number): PublishResult => ({ topic: 't', id: '', offset, epoch: 'e', timestamp: '' });

test('a few hundred are on their way at a time, in order', async () => {
  const platform = new FakePlatform();
  const window = new PublicationWindow(platform);
  const begun: number[] = [];
  const answers: (() => void)[] = [];
  const all = Array.from({ length: 1000 }, (_, i) =>
    window.add(() => {
      begun.push(i);
      return new Promise((resolve) => answers.push(() => resolve(result(i))));
    }),
  );
  expect(begun).toHaveLength(200);
  while (answers.length > 0) {
    for (const answer of answers.splice(0)) answer();
    await platform.flush();
    expect(answers.length).toBeLessThanOrEqual(200);
  }
  expect((await Promise.all(all)).map(({ offset }) => offset)).toEqual(all.map((_, i) => i));
  expect(begun).toEqual(all.map((_, i) => i));
});

test('what finds the queue full is tried again, before what comes after it', async () => {
  const platform = new FakePlatform();
  const window = new PublicationWindow(platform);
  let full = true;
  const stored: number[] = [];
  const publish = (i: number) => async () => {
    if (full) throw new MillraceError('overloaded', 'full');
    stored.push(i);
    return result(i);
  };
  const first = [0, 1, 2].map((i) => window.add(publish(i)));
  await platform.advance(1000);
  const later = window.add(publish(3));
  expect(stored).toEqual([]);
  full = false;
  await platform.advance(250);
  await Promise.all([...first, later]);
  expect(stored).toEqual([0, 1, 2, 3]);
});

test('what is refused is refused', async () => {
  const window = new PublicationWindow(new FakePlatform());
  const refused = window.add(() => Promise.reject(new MillraceError('forbidden', 'no')));
  await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
  await expect(window.add(async () => result(1))).resolves.toMatchObject({ offset: 1 });
});
