import type { MillraceEvent } from '@millrace/client';

/** A piece of a recorded command's output. */
export interface OutputPiece {
  readonly bytes: Buffer;
  readonly isStderr: boolean;
}

/** The bytes of a `tool.output` event, or `undefined` for any other event. */
export function readOutput({ event, data }: MillraceEvent): OutputPiece | undefined {
  if (event !== 'tool.output' || typeof data !== 'object' || data === null) return undefined;
  const { output, is_stderr: isStderr, encoding } = data as Record<string, unknown>;
  if (typeof output !== 'string') return undefined;
  return {
    bytes: Buffer.from(output, encoding === 'base64' ? 'base64' : 'utf8'),
    isStderr: isStderr === true,
  };
}
