import type { MillraceEvent } from '@millrace/protocol';
import { webhookHeaders } from '@millrace/server/webhook';
import type { WebhookSecrets } from './webhook-secrets.ts';

/** What one POST came to. */
export type Attempt =
  | { readonly name: 'delivered'; readonly status: number }
  /** The receiver may take it later; `afterMs` is when, where it said so. */
  | {
      readonly name: 'failed';
      readonly reason: string;
      readonly status?: number;
      readonly afterMs?: number | undefined;
    }
  /** It never will. */
  | { readonly name: 'refused'; readonly reason: string; readonly status: number };

export interface WebhookOptions {
  readonly url: string;
  readonly secrets: WebhookSecrets;
  /** For one attempt, from the connection to the end of the answer. */
  readonly timeoutMs: number;
}

/** Answers of a receiver that is busy, away or not ready yet. */
const RETRYABLE: readonly number[] = [408, 425, 429];
/** More of an answer is not read; without reading it the connection could not be used again. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Posts an event, once. Each attempt is signed anew, with its own time and the event's id, by which a receiver knows a repeat. */
export async function post(
  options: WebhookOptions,
  event: MillraceEvent,
  signal: AbortSignal,
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const body = JSON.stringify(event);
  const seconds = Math.floor(Date.now() / 1000);
  try {
    const response = await fetch(options.url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'millrace',
        ...webhookHeaders(options.secrets, { id: event.id, seconds, body }),
      },
      body,
    });
    await readAway(response);
    return judge(response);
  } catch (error) {
    const reason = timeout.aborted ? `no answer in ${options.timeoutMs} ms` : networkReason(error);
    return { name: 'failed', reason };
  }
}

function judge({ ok, status, headers }: Response): Attempt {
  if (ok) return { name: 'delivered', status };
  if (status >= 500 || RETRYABLE.includes(status)) {
    return { name: 'failed', reason: `HTTP ${status}`, status, afterMs: retryAfterMs(headers, Date.now()) };
  }
  const redirected = status >= 300 && status < 400 ? ', a redirection, which is not followed' : '';
  return { name: 'refused', reason: `HTTP ${status}${redirected}`, status };
}

/** `Retry-After` has seconds or a date. An hour at most is obeyed. */
function retryAfterMs(headers: Headers, now: number): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

async function readAway({ body }: Response): Promise<void> {
  if (body === null) return;
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Uint8Array).byteLength;
    if (bytes > MAX_ANSWER_BYTES) return;
  }
}

/** `fetch` hides what happened in the cause. */
function networkReason(error: unknown): string {
  const { cause, message } = error as Error;
  const { code, message: inner } = (cause ?? {}) as NodeJS.ErrnoException;
  return code ?? inner ?? message;
}
