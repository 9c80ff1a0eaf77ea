import type { Role } from '@millrace/protocol';
import type { Permissions } from './permissions.ts';

/** Who a session is and what it may do. */
export interface Identity {
  readonly userId: string;
  readonly entityId: string;
  /** Never empty. */
  readonly roles: readonly Role[];
  /** When the session must be over, in milliseconds since the epoch; `Infinity` for an API key. */
  readonly expiresAt: number;
  readonly permissions: Permissions;
}
