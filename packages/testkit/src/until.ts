import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Waits until `condition` holds, looking once a turn of the event loop, so that a test goes on as soon as it can.
 * Throws when it does not hold in time.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  description = 'the condition to hold',
  deadlineMs = 5000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${description}`);
    await nextTurn();
  }
}

/** Waits for a promise, but no longer than the deadline. */
export async function within<T>(promise: Promise<T>, description: string, deadlineMs = 5000): Promise<T> {
  let timeout: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timeout = setTimeout(
      () => reject(new Error(`waited ${deadlineMs} ms in vain for ${description}`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timeout);
  }
}
