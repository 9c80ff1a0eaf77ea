import { CODES, type CodeName, MillraceError } from '@millrace/protocol';

/** What a problem answer may have, none of which is certain. */
interface Problem {
  readonly code: unknown;
  readonly detail?: unknown;
  readonly details?: unknown;
  readonly retryable?: unknown;
}

/** The error that an HTTP answer carries ([HTTP-1]), or the nearest one where a proxy answered instead. */
export async function readProblem(response: Response): Promise<MillraceError> {
  const where = `HTTP ${response.status}`;
  try {
    const problem: unknown = await response.json();
    if (typeof problem === 'object' && problem !== null && 'code' in problem) {
      const { code, detail, details, retryable } = problem as Problem;
      // Whoever says whether to try again is ours, and its code may be newer than our table.
      if (typeof code === 'string' && (typeof retryable === 'boolean' || Object.hasOwn(CODES, code))) {
        return new MillraceError(code as CodeName, `${String(detail ?? code)} (${where})`, {
          details: { ...(typeof details === 'object' ? details : {}), status: response.status },
          retryable: typeof retryable === 'boolean' ? retryable : undefined,
        });
      }
    }
  } catch {
    // Not JSON: not our server's answer.
  }
  return new MillraceError(codeOfStatus(response.status), `the server answered ${where}`, {
    details: { status: response.status },
  });
}

function codeOfStatus(status: number): CodeName {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 413) return 'too-large';
  if (status === 429) return 'rate-limited';
  return status >= 500 ? 'unavailable' : 'bad-message';
}
