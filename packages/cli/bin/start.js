// What `millrace` becomes: in the workspace the sources, published the code that was built from them. JavaScript, since Node.js would load
// what strips types for a file of TypeScript before this one says where that is kept.
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// In a folder of the user's own: what is read from it is run.
const { HOME, XDG_CACHE_HOME = HOME && join(HOME, '.cache') } = process.env;
if (XDG_CACHE_HOME) enableCompileCache(join(XDG_CACHE_HOME, 'millrace', 'compiled'));

// `millrace.js` decides the same way.
const source = new URL('../src/main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href);
