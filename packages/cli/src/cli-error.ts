import { type CodeName, MillraceError } from '@millrace/protocol';
import { EXIT, type ExitCode } from './exit-code.ts';

/** Ends the command with a message for whoever ran it: what happened and, where it helps, what to do. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

const REFUSALS: readonly CodeName[] = [
  'unauthorized',
  'token-expired',
  'forbidden',
  'bad-origin',
  'disconnected',
  'abuse',
];

/** Whether the server's answer is about who we are and what we may do. */
export function isRefusal({ code }: MillraceError): boolean {
  return REFUSALS.includes(code);
}

/** Any failure as a message and an exit status; a stack only where the fault is ours. */
export function describeFailure(error: unknown): { readonly message: string; readonly exitCode: ExitCode } {
  if (error instanceof CliError) return error;
  if (error instanceof MillraceError) {
    return {
      message: `${error.message} (${error.code})`,
      exitCode: isRefusal(error) ? EXIT.refused : EXIT.failed,
    };
  }
  return {
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    exitCode: EXIT.failed,
  };
}
