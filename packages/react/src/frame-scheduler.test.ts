import { afterEach, expect, test, vi } from 'vitest';
import { frameScheduler } from './frame-scheduler.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('without frames a timer runs the task once', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.stubGlobal('requestAnimationFrame', undefined);
  const task = vi.fn();
  frameScheduler.schedule(task);
  vi.advanceTimersByTime(1000);
  expect(task).toHaveBeenCalledTimes(1);
});

test('a hidden page, whose frames do not come, is told by a timer; a frame that comes then is too late', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let frame: (() => void) | undefined;
  vi.stubGlobal('requestAnimationFrame', (callback: () => void) => {
    frame = callback;
    return 1;
  });
  vi.stubGlobal('cancelAnimationFrame', () => {
    frame = undefined;
  });
  const task = vi.fn();
  frameScheduler.schedule(task);
  vi.advanceTimersByTime(250);
  expect(task).toHaveBeenCalledTimes(1);
  expect(frame).toBeUndefined();
});

test('the undo of a task takes it back', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const task = vi.fn();
  frameScheduler.schedule(task)();
  vi.advanceTimersByTime(1000);
  expect(task).not.toHaveBeenCalled();
});
