import { expect, test } from 'vitest';
import { FakePlatform } from '../../test/fake-platform.ts';
import { UpdateThrottle } from './update-throttle.ts';

function start() {
  const platform = new FakePlatform();
  const startMs = platform.monotonic();
  const sentAtMs: number[] = [];
  const answers: (() => void)[] = [];
  let answering = true;
  const throttle = new UpdateThrottle({
    platform,
    minIntervalMs: 100,
    maxDelayMs: 1000,
    send: () => {
      sentAtMs.push(platform.monotonic() - startMs);
      return answering ? Promise.resolve() : new Promise<void>((resolve) => answers.push(resolve));
    },
  });
  const holdAnswers = () => {
    answering = false;
  };
  const answer = async () => {
    for (const resolve of answers.splice(0)) resolve();
    await platform.flush();
  };
  return { platform, throttle, sentAtMs, holdAnswers, answer };
}

test('the first is told at once, the newest of those that follow when the interval is over', async () => {
  const { platform, throttle, sentAtMs } = start();
  throttle.changed(true);
  expect(sentAtMs).toEqual([0]);
  for (let i = 0; i < 20; i++) {
    await platform.advance(10);
    throttle.changed(true);
  }
  await platform.advance(1000);
  expect(sentAtMs).toEqual([0, 100, 200, 300]);
});

test('what is hardly news waits longer, until something is', async () => {
  const { platform, throttle, sentAtMs } = start();
  throttle.changed(true);
  await platform.advance(10);
  throttle.changed(false);
  await platform.advance(300);
  expect(sentAtMs).toEqual([0]);
  throttle.changed(true);
  throttle.changed(false);
  expect(sentAtMs).toEqual([0, 310]);
  await platform.advance(2000);
  expect(sentAtMs).toEqual([0, 310, 1310]);
});

test('while one is on its way none follows, and then only the newest', async () => {
  const { platform, throttle, sentAtMs, holdAnswers, answer } = start();
  holdAnswers();
  for (let i = 0; i < 50; i++) {
    throttle.changed(true);
    await platform.advance(100);
  }
  expect(sentAtMs).toEqual([0]);
  await answer();
  expect(sentAtMs).toEqual([0, 5000]);
  expect(platform.pendingTimers).toBe(0);
});

test('a flush tells what waits, and nothing when nothing does', async () => {
  const { platform, throttle, sentAtMs } = start();
  throttle.flush();
  throttle.changed(true);
  await platform.advance(1);
  throttle.changed(true);
  throttle.flush();
  throttle.flush();
  expect(sentAtMs).toEqual([0, 1]);
});

test('once it is closed nothing is told', async () => {
  const { platform, throttle, sentAtMs } = start();
  throttle.changed(true);
  await platform.advance(1);
  throttle.changed(true);
  throttle.close();
  throttle.changed(true);
  throttle.flush();
  await platform.advance(5000);
  expect(sentAtMs).toEqual([0]);
});
