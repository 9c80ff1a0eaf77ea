import type { MillraceError, PublishResult } from '@millrace/protocol';
import type { Platform } from '../platform.ts';
import type { PublishOptions } from '../types.ts';

/** What trackers take from their client. */
export interface TrackerHost {
  readonly platform: Platform;
  /** Throws a `MillraceError` (`bad-topic`) for what is none. */
  checkTopic(topic: string): void;
  publish(topic: string, event: string, data: unknown, options?: PublishOptions): Promise<PublishResult>;
  /** Something that nobody waits for was refused. */
  report(error: MillraceError): void;
  /** How to publish without this client, when the process ends. */
  address(): { readonly url: string; readonly token: string | undefined };
}

/** For publications that nobody has to wait for: a refusal is reported, and throws only where it is waited for. */
export function reported(host: TrackerHost, result: Promise<PublishResult>): Promise<PublishResult> {
  result.catch((error: MillraceError) => host.report(error));
  return result;
}
