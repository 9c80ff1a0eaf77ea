import type { ConnectionState } from '@millrace/client';
import type { Tone } from '../ui/badge.tsx';

export interface ConnectionWords {
  readonly label: string;
  /** For the banner; none while all is well. */
  readonly explanation?: string;
  readonly tone: Tone;
}

const RETRYING = 'What is shown may be out of date. Trying again; everything missed will follow.';

/** What each state of the SDK means to the person looking. */
export const CONNECTION_WORDS: Readonly<Record<ConnectionState, ConnectionWords>> = {
  connecting: { label: 'Connecting', explanation: 'Connecting to the server …', tone: 'warn' },
  connected: { label: 'Connected', tone: 'good' },
  disconnected: { label: 'Reconnecting', explanation: `The connection was lost. ${RETRYING}`, tone: 'warn' },
  connect_error: {
    label: 'Reconnecting',
    explanation: `The server cannot be reached. ${RETRYING}`,
    tone: 'warn',
  },
  timeout: {
    label: 'Reconnecting',
    explanation: `The server did not answer in time. ${RETRYING}`,
    tone: 'warn',
  },
  reconnect_failed: { label: 'Offline', explanation: 'The server ended the connection.', tone: 'bad' },
};
