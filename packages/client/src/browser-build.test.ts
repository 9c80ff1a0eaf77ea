import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { expect, test } from 'vitest';

/** What a page pays for `import { createClient } from '@millrace/client'`. */
const MAX_GZIP_BYTES = 16_500;
/** What it pays once it tracks something itself. */
const MAX_TRACKERS_GZIP_BYTES = 6500;

async function bundle(): Promise<Rolldown.OutputChunk[]> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['source', 'module', 'browser'] },
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      // As a library: what an application's bundler adds to load a part later is its own.
      lib: { entry: join(import.meta.dirname, 'index.ts'), formats: ['es'], fileName: 'index' },
      rolldownOptions: { output: { minify: true } },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('nothing was built');
  return output.output.filter((part) => part.type === 'chunk');
}

/** What is loaded with the entry, before anything is asked for. */
function loadedAtOnce([entry, ...others]: Rolldown.OutputChunk[]): Rolldown.OutputChunk[] {
  const loaded = new Set([entry!.fileName]);
  for (const name of loaded) {
    const chunk = [entry!, ...others].find(({ fileName }) => fileName === name);
    for (const imported of chunk?.imports ?? []) loaded.add(imported);
  }
  return [entry!, ...others].filter(({ fileName }) => loaded.has(fileName));
}

function gzipBytes(chunks: readonly Rolldown.OutputChunk[]): number {
  return chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
}

test('the browser build is small, without Node, a schema library or eval; trackers are loaded when they are needed', async () => {
  const chunks = await bundle();
  const core = loadedAtOnce(chunks);
  const loaded = chunks.flatMap(({ moduleIds }) => moduleIds);
  expect(loaded.filter((id) => /^node:|__vite-browser-external|node_modules/.test(id))).toEqual([]);
  const code = core.map((chunk) => chunk.code).join('\n');
  expect(code).not.toMatch(/\beval\(|new Function\(|\brequire\(|\bBuffer\b|\bprocess\./);
  const later = chunks.filter((chunk) => !core.includes(chunk));
  expect(core.flatMap(({ moduleIds }) => moduleIds).filter((id) => id.includes('/trackers/'))).toEqual([]);
  const [bytes, laterBytes] = [gzipBytes(core), gzipBytes(later)];
  console.log(
    `@millrace/client: ${code.length} bytes minified, ${bytes} bytes gzip; later: ${laterBytes} bytes gzip`,
  );
  expect(bytes).toBeLessThan(MAX_GZIP_BYTES);
  expect(laterBytes).toBeLessThan(MAX_TRACKERS_GZIP_BYTES);
});
