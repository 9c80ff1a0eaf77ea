import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { outputOf } from './child.ts';
import { percentile } from './statistics.ts';

/** Where a run took place, in lines of Markdown. */
export async function describeMachine(): Promise<string[]> {
  const root = join(import.meta.dirname, '..');
  const commit = await outputOf('git', '-C', root, 'rev-parse', '--short', 'HEAD');
  const changed = await outputOf('git', '-C', root, 'status', '--porcelain', '--', 'packages', 'bench');
  const [cpu] = cpus();
  const versionOf = async (name: string): Promise<string> => {
    const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8');
    return `${name} ${(JSON.parse(text) as { version: string }).version}`;
  };
  const firstLine = (text: string | undefined): string | undefined => text?.trim().split('\n')[0];
  const versions = [
    `Node ${process.version}`,
    await versionOf('ws'),
    await versionOf('socket.io'),
    firstLine(await outputOf('cc', '--version')) ?? 'no C compiler',
    firstLine(await outputOf('nats-server', '--version')) ?? 'no nats-server',
    firstLine(await outputOf('nginx', '-v')) ?? 'no nginx',
  ];
  const load = loadavg().map((value) => value.toFixed(1));
  return [
    `- ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit?.trim() ?? 'unknown'}${changed ? ' with local changes' : ''}`,
    `- ${cpus().length} × ${cpu?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, load average at the start ${load.join(' ')}`,
    `- ${versions.join(', ')}`,
  ];
}

const SYNCS = 100;

/** What one small write and its sync cost in a folder, with nothing in between: the median, in ms. */
export function measureFsyncMs(directory: string): number {
  const path = join(directory, `.fsync-${process.pid}`);
  const file = openSync(path, 'w');
  const block = Buffer.alloc(16 * 1024, 1);
  const samples: number[] = [];
  for (let i = 0; i < SYNCS; i++) {
    const begun = performance.now();
    writeSync(file, block, 0, block.length, i * block.length);
    fdatasyncSync(file);
    samples.push(performance.now() - begun);
  }
  closeSync(file);
  rmSync(path);
  return percentile(samples, 0.5);
}
