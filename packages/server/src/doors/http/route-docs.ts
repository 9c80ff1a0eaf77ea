import { STATUS_CODES } from 'node:http';
import { CODE_MEANINGS, CODE_TABLE, type CodeName } from '@millrace/protocol';
import Type from 'typebox';
import { PROBLEM_TYPE } from '../problem.ts';
import { SharedProblem } from './wire-shapes.ts';

/** Codes that any route with a token may answer with. */
const GUARD_CODES: readonly CodeName[] = [
  'unauthorized',
  'token-expired',
  'bad-origin',
  'rate-limited',
  'abuse',
  'draining',
  'overloaded',
  'internal',
];

interface ProblemAnswer {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: Type.TSchema }>>;
}

/** Describes the problems that a route may answer with, from the one table of codes. */
export function problemAnswers(...codes: CodeName[]): Record<string, ProblemAnswer> {
  const byStatus = new Map<number, CodeName[]>();
  for (const code of codes) {
    const { http = 500 } = CODE_TABLE[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const answers: Record<string, ProblemAnswer> = {};
  for (const [status, names] of [...byStatus].sort(([a], [b]) => a - b)) {
    const lines = names.map((name) => `- \`${name}\`: ${CODE_MEANINGS[name]}`);
    answers[status] = {
      description: `${STATUS_CODES[status]}\n\n${lines.join('\n')}`,
      content: { [PROBLEM_TYPE]: { schema: SharedProblem } },
    };
  }
  return answers;
}

/** The same for a route that needs a token. */
export function guardedAnswers(...codes: CodeName[]): Record<string, ProblemAnswer> {
  return problemAnswers(...GUARD_CODES, ...codes);
}

/** An answer without a body. */
export function emptyAnswer(description: string): Type.TSchema {
  return Type.Null({ description });
}

/** How the token may come: as `createOpenApi` names it. */
export const SECURED = { security: [{ bearer: [] }, { token: [] }] } as const;
