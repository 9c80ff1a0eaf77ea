import { MillraceError, parsePosition } from '@millrace/protocol';
import type { Api } from '../app/api.ts';
import { readOutput } from '../commands/run.ts';

const PAGE = 1000;
const encoder = new TextEncoder();

/**
 * All output of a run so far, byte for byte and in order, read anew from the log: what is on screen is decoded, and of
 * very long outputs only the newest part.
 */
export async function readExactOutput(api: Api, topic: string): Promise<Blob> {
  const parts: BlobPart[] = [];
  let after = await startOf(api, topic);
  for (;;) {
    const page = await api.history(topic, { after, limit: PAGE });
    for (const event of page.events) {
      const chunk = readOutput(event);
      if (chunk === undefined) continue;
      parts.push(
        typeof chunk.output === 'string' ? encoder.encode(chunk.output) : new Uint8Array(chunk.output),
      );
    }
    if (page.behind <= 0 || page.events.length === 0)
      return new Blob(parts, { type: 'application/octet-stream' });
    after = page.position;
  }
}

/** Before the first event that retention has kept. */
async function startOf(api: Api, topic: string): Promise<string> {
  const [info] = await api.topics({ pattern: topic, limit: 1 });
  const position = info && parsePosition(info.position);
  if (position === undefined) throw new MillraceError('not-found', `${topic} is no longer there`);
  return `${position.epoch}:${info === undefined ? 0 : Math.max(0, info.firstOffset - 1)}`;
}

/** Hands a file to the browser. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has its own reference by the next turn.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
