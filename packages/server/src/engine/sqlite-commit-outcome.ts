import { MillraceError } from '@millrace/protocol';
import type { AppendResult } from './engine.ts';

/** What became of a `Change` (see the committer); `nothing` when there was nothing to change. */
export type ChangeOutcome = 'stored' | 'nothing' | FailedResult;
export type FailedResult = Extract<AppendResult, { status: 'failed' | 'unknown' }>;

/** What to throw where a verb has no result for a commit that failed. */
export function failureError(result: FailedResult): MillraceError {
  return new MillraceError(result.status === 'unknown' ? 'unknown' : result.code, result.message);
}

export const FULL: FailedResult = {
  status: 'failed',
  code: 'storage-full',
  message: 'The disk, or the room set for the data file, is full. Nothing was stored.',
};
export const DOWN: FailedResult = {
  status: 'failed',
  code: 'unavailable',
  message: 'The data file cannot be written at the moment; the server keeps trying. Nothing was stored.',
};
export const CLOSED: FailedResult = {
  status: 'failed',
  code: 'unavailable',
  message: 'The engine is closed. Nothing was stored.',
};
export const BUSY: FailedResult = {
  status: 'failed',
  code: 'unavailable',
  message: 'Too many events wait for the disk. Nothing was stored.',
};

export function aborted(message: string): FailedResult {
  return {
    status: 'failed',
    code: 'unavailable',
    message: `The commit failed: ${message}. Nothing was stored.`,
  };
}
