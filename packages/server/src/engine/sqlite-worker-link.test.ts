import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

test('the threads start from built JavaScript too, under flags that no thread takes', {
  timeout: 60_000,
}, async () => {
  // Inside the package, so that its dependencies are found.
  const built = await mkdtemp(join(PACKAGE, '.built-'));
  try {
    const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    const compile = spawnSync(
      process.execPath,
      [
        tsc,
        '-p',
        PACKAGE,
        '--outDir',
        built,
        '--noCheck',
        '--composite',
        'false',
        '--incremental',
        'false',
        '--declarationMap',
        'false',
      ],
      { encoding: 'utf8' },
    );
    expect(compile.stderr + compile.stdout).toBe('');
    const program = `
      import { createSqliteEngine } from ${JSON.stringify(join(built, 'engine/sqlite-engine.js'))};
      import { systemClock, systemTurns } from ${JSON.stringify(join(built, 'clock.js'))};
      const engine = await createSqliteEngine({
        directory: ${JSON.stringify(join(built, 'data'))},
        clock: systemClock,
        turns: systemTurns,
        retention: () => ({}),
        onError: console.error,
      });
      await engine.append([{ entity: 'acme', topic: 'task.a', event: 'step', data: '1' }]);
      const read = await engine.read('acme', 'task.a', { earliest: true }, { maxEvents: 10 });
      console.log(read.events.length);
      await engine.close();`;
    // Threads refuse flags of V8; the process that has them must still be able to start its threads.
    const flags = ['--max-old-space-size=1024', '--conditions', 'source', '--input-type=module'];
    const run = spawnSync(process.execPath, [...flags, '-e', program], { encoding: 'utf8' });
    expect(run).toMatchObject({ stdout: '1\n', stderr: '', status: 0 });
  } finally {
    await rm(built, { recursive: true, force: true });
  }
});
