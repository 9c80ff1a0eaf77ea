// What `millrace` becomes: in the workspace the sources, published the code that was built from them.
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';

// Compiling eight hundred modules took most of the time of a short command. Not from TypeScript, which would load its compiler for itself.
enableCompileCache();

const source = new URL('../src/main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href);
