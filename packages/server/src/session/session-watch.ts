import type { CodeName } from '@millrace/protocol';
import type { Identity } from '../auth/identity.ts';
import type { Session } from './session.ts';

/** How a session ended. */
export interface SessionEnding {
  /** The number it was closed with. */
  readonly code: number;
  /** In words; missing where the peer ended it. */
  readonly reason: string | undefined;
  /** Whose it had become. */
  readonly identity: Identity | undefined;
  /** The topics and patterns that it was subscribed to. */
  readonly topics: readonly string[];
}

/** Who is told of sessions' lives, as they happen. It must be quick, and not throw: sessions do not wait for it. */
export interface SessionWatch {
  /** The session has become this user's, so many ms after its connection was accepted. */
  opened(session: Session, identity: Identity, connectingMs: number): void;
  /** A session of this user has subscribed from a position or cursor: it came back. Once a session. */
  resumed(identity: Identity): void;
  /** A session of this user was answered with an error. */
  erred(identity: Identity): void;
  closed(session: Session, ending: SessionEnding): void;
  /** A connection was turned away before there was a session. */
  refused(code: CodeName): void;
}

/** Tells several. */
export function watchTogether(watches: readonly Partial<SessionWatch>[]): SessionWatch {
  return {
    opened(session, identity, connectingMs) {
      for (const watch of watches) watch.opened?.(session, identity, connectingMs);
    },
    resumed(identity) {
      for (const watch of watches) watch.resumed?.(identity);
    },
    erred(identity) {
      for (const watch of watches) watch.erred?.(identity);
    },
    closed(session, ending) {
      for (const watch of watches) watch.closed?.(session, ending);
    },
    refused(code) {
      for (const watch of watches) watch.refused?.(code);
    },
  };
}
