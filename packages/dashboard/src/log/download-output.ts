import type { Api } from '../app/api.ts';
import { readOutput } from '../commands/run.ts';

const PAGE = 1000;
const encoder = new TextEncoder();

/**
 * All output of a run so far, byte for byte and in order, read anew from the log: what is on screen is decoded, and of
 * very long outputs only the newest part.
 */
export async function readExactOutput(api: Pick<Api, 'history'>, topic: string): Promise<Blob> {
  const parts: BlobPart[] = [];
  let page = await api.history(topic, { limit: PAGE });
  for (;;) {
    for (const event of page.events) {
      const chunk = readOutput(event);
      if (chunk === undefined) continue;
      parts.push(
        typeof chunk.output === 'string' ? encoder.encode(chunk.output) : new Uint8Array(chunk.output),
      );
    }
    if (page.behind <= 0) return new Blob(parts, { type: 'application/octet-stream' });
    page = await api.history(topic, { after: page.position, limit: PAGE });
  }
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
