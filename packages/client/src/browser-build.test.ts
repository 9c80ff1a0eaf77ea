import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { expect, test } from 'vitest';

/** What a page pays for `import { createClient } from '@millrace/client'`. */
const MAX_GZIP_BYTES = 15_500;

async function bundle(): Promise<Rolldown.OutputChunk> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['source', 'module', 'browser'] },
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      rolldownOptions: {
        input: join(import.meta.dirname, 'index.ts'),
        preserveEntrySignatures: 'strict',
      },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('nothing was built');
  return output.output[0];
}

test('the browser build is one small file without Node, a schema library or eval', async () => {
  const { code, imports, dynamicImports, moduleIds } = await bundle();
  expect([...imports, ...dynamicImports]).toEqual([]);
  expect(moduleIds.filter((id) => /^node:|__vite-browser-external|node_modules/.test(id))).toEqual([]);
  expect(code).not.toMatch(/\beval\(|new Function\(|\brequire\(|\bBuffer\b|\bprocess\./);
  const bytes = gzipSync(code, { level: 9 }).length;
  console.log(`@millrace/client: ${code.length} bytes minified, ${bytes} bytes gzip`);
  expect(bytes).toBeLessThan(MAX_GZIP_BYTES);
});
