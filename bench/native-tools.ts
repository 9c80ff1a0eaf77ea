import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { outputOf } from './child.ts';

const SOURCES = join(import.meta.dirname, 'native');

/** Our C programs, compiled for this run. */
export interface NativeTools {
  readonly subscribers: string;
  readonly floor: string;
  /** Whether the subscribers speak TLS. */
  readonly tls: boolean;
  close(): Promise<void>;
}

/** Compiles the C programs of the benchmark into a temporary folder; `undefined` where that does not work. */
export async function compileNativeTools(compiler = 'cc'): Promise<NativeTools | undefined> {
  const { compile, close } = await startCompiling(compiler);
  const floor = await compile('floor');
  const withTls = await compile('subscribers', '-DWITH_TLS', '-lssl', '-lcrypto');
  const subscribers = withTls ?? (await compile('subscribers'));
  if (floor === undefined || subscribers === undefined) {
    await close();
    return undefined;
  }
  return { floor, subscribers, tls: withTls !== undefined, close };
}

/** The viewer of a command's output, compiled for this run. */
export interface OutputViewer {
  readonly program: string;
  close(): Promise<void>;
}

/** Compiles the viewer of a command's output; `undefined` where there is no compiler, OpenSSL or zlib. */
export async function compileOutputViewer(): Promise<OutputViewer | undefined> {
  const { compile, close } = await startCompiling('cc');
  const program = await compile('output-viewer', '-lcrypto', '-lz');
  if (program !== undefined) return { program, close };
  await close();
  return undefined;
}

async function startCompiling(compiler: string) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  return {
    close: () => rm(folder, { recursive: true, force: true }),
    async compile(name: string, ...libraries: string[]): Promise<string | undefined> {
      const program = join(folder, name);
      const source = join(SOURCES, `${name}.c`);
      const done = await outputOf(compiler, '-O2', '-o', program, source, ...libraries);
      return done === undefined ? undefined : program;
    },
  };
}
