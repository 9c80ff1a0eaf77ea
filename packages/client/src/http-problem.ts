import { CODES, type CodeName, MillraceError } from '@millrace/protocol';

/** The error that an HTTP answer carries ([HTTP-1]), or the nearest one where a proxy answered instead. */
export async function readProblem(response: Response): Promise<MillraceError> {
  const where = `HTTP ${response.status}`;
  try {
    const problem: unknown = await response.json();
    if (typeof problem === 'object' && problem !== null && 'code' in problem) {
      const { code, detail, details } = problem as { code: unknown; detail?: unknown; details?: unknown };
      if (typeof code === 'string' && isCode(code)) {
        return new MillraceError(code, `${String(detail ?? code)} (${where})`, {
          details: { ...(typeof details === 'object' ? details : {}), status: response.status },
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

function isCode(text: string): text is CodeName {
  return Object.hasOwn(CODES, text);
}

function codeOfStatus(status: number): CodeName {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 413) return 'too-large';
  if (status === 429) return 'rate-limited';
  return status >= 500 ? 'unavailable' : 'bad-message';
}
