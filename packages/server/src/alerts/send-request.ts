import type { Clock } from '../clock.ts';
import { webhookHeaders, webhookKey } from '../services/webhook-signature.ts';
import type { SystemAlert } from './incident.ts';
import type { RemediationOutcome, RequestRemediation } from './remediation.ts';

const FIRST_RETRY_MS = 1_000;

type Attempt = RemediationOutcome & { readonly mayRetry: boolean };

/**
 * Sends an alert to the address of a remediation, again when that may help. All attempts of one incident bear the same
 * `webhook-id`: a receiver that answered in vain can tell that it knows it.
 */
export async function sendRequest(
  remediation: RequestRemediation,
  alert: SystemAlert,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<RemediationOutcome> {
  const body = JSON.stringify(alert);
  for (let attempt = 1; ; attempt++) {
    const { mayRetry, ...outcome } = await post(remediation, alert, body, { clock, signal });
    if (signal.aborted) return { status: 'interrupted', detail: 'the server was shut down' };
    if (outcome.status === 'succeeded' || !mayRetry || attempt > remediation.retries) return outcome;
    await pause(FIRST_RETRY_MS * 2 ** (attempt - 1), { clock, signal });
  }
}

async function post(
  { url, headers, secret, timeoutMs }: RequestRemediation,
  alert: SystemAlert,
  body: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Attempt> {
  const id = `${alert.alert_id}/remediation`;
  const keys = secret === undefined ? [] : [webhookKey(secret)];
  const late = new AbortController();
  const timer = clock.after(timeoutMs, () => late.abort());
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...webhookHeaders(keys, { id, seconds: Math.floor(clock.now() / 1000), body }),
      },
      body,
      // The headers are for this address, not for another that it points to.
      redirect: 'error',
      signal: AbortSignal.any([signal, late.signal]),
    });
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return { status: 'succeeded', detail: `HTTP ${status}`, mayRetry: false };
    const mayRetry = status >= 500 || status === 429 || status === 408;
    return { status: 'failed', detail: `HTTP ${status}`, mayRetry };
  } catch (error) {
    if (late.signal.aborted)
      return { status: 'timed-out', detail: `no answer within ${timeoutMs} ms`, mayRetry: true };
    return { status: 'failed', detail: `no answer (${reasonOf(error)})`, mayRetry: true };
  } finally {
    timer.cancel();
  }
}

/** `fetch` says little itself: what kept it is the cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: { readonly code?: string } };
  return cause?.code ?? (error as Error).name;
}

function pause(
  delayMs: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(delayMs, resolve);
    const stop = (): void => {
      timer.cancel();
      resolve();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
