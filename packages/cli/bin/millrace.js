#!/usr/bin/env node
// In the workspace the sources run, published the code that was built from them.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

if (process.execve === undefined) {
  console.error(
    `millrace: needs Node.js 24 or newer, and this is ${process.version}; in the workspace use npx millrace`,
  );
  process.exit(1);
}
const source = new URL('../src/main.ts', import.meta.url);
if (existsSync(source)) {
  // This process becomes the other one, so that signals, exit status and the terminal are its own.
  const args = ['--conditions=source', '--disable-warning=ExperimentalWarning', fileURLToPath(source)];
  process.execve(process.execPath, [process.execPath, ...args, ...process.argv.slice(2)], process.env);
}
await import('../dist/main.js');
