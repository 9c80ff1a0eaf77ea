import { createClient } from '@millrace/client';
import { type ConnectionFlags, findTarget } from '../connection.ts';
import { setQuiet } from '../status.ts';

/*
 * Run by the watchdog of a `millrace run` that died without saying how its command ended: seals the topic, so that nobody waits for more.
 */

/** In the environment of this process. */
export const LOST_RUN_VARIABLE = 'MILLRACE_LOST_RUN';

/** How long the server may be away. */
const MAX_WAIT_MS = 600_000;

export interface LostRun {
  readonly flags: ConnectionFlags;
  readonly topic: string;
  readonly executionId: string;
}

async function seal({ flags, topic, executionId }: LostRun): Promise<void> {
  setQuiet(true);
  const { url, token } = await findTarget(flags, 'publisher');
  const client = createClient({ url, token });
  setTimeout(() => client.close(), MAX_WAIT_MS).unref();
  const data = {
    execution_id: executionId,
    error: 'millrace run was killed; how the command ended is not known',
    reason: 'recorder-lost',
    producedAt: new Date().toISOString(),
  };
  const options = { idempotencyKey: `${executionId}-lost`, seal: true };
  // Sealed already: it had said all.
  await client.publish(topic, 'tool.failed', data, options).catch(() => {});
  client.close();
}

if (import.meta.main) await seal(JSON.parse(process.env[LOST_RUN_VARIABLE] ?? '{}') as LostRun);
