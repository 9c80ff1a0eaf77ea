import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findMissingLine } from './expected-lines.ts';
import type { Block, ExpectBlock, FileBlock, Guide } from './guide.ts';
import { GuideShell, type Started, untilPrinted } from './guide-shell.ts';

const WORKSPACE = fileURLToPath(new URL('../../', import.meta.url));
/** The server as guides write it, and the one port that they use for something of their own. */
const WRITTEN_HOST = 'localhost:3001';
const WRITTEN_PORT = /\b4005\b/g;

/** Where the file blocks of a guide are, below the server's working folder. */
export function folderOf({ path }: Guide): string {
  return basename(path, '.md');
}

/** Writes a guide's files, which the server's configuration may be made of, and what its programs need to find our packages. */
export function writeFiles(root: string, guide: Guide, port: number): void {
  const folder = join(root, folderOf(guide));
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}\n');
  symlinkSync(join(WORKSPACE, 'node_modules'), join(folder, 'node_modules'));
  for (const block of guide.blocks) {
    if (block.kind !== 'file') continue;
    writeFileSync(join(folder, block.name), `${block.text.replaceAll(WRITTEN_PORT, String(port))}\n`);
  }
}

/** `npx` without the registry: what is asked for is on the path already. */
export function writeNpx(root: string): void {
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin', 'npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
}

export interface GuideWorld {
  /** The server's working folder. */
  readonly root: string;
  readonly url: string;
  /** A free one, for what a guide starts itself. */
  readonly port: number;
  /** An administrator's. */
  readonly token: string;
}

function environmentOf({ root, url, token }: GuideWorld): NodeJS.ProcessEnv {
  const places = [join(root, 'bin'), join(WORKSPACE, 'node_modules', '.bin'), dirname(process.execPath)];
  return {
    PATH: [...places, process.env.PATH].join(delimiter),
    HOME: root,
    URL: url,
    TOKEN: token,
    MILLRACE_URL: url,
    // The server's key is there, for commands that sign a token for themselves.
    MILLRACE_DATA_DIRECTORY: join(root, '.millrace'),
  };
}

/** Does what a guide says, and throws at the first thing that is not as it says, naming the line. */
export class GuideRun {
  readonly #guide: Guide;
  readonly #folder: string;
  readonly #host: string;
  readonly #port: string;
  readonly #shell: GuideShell;
  #last: Started | undefined;
  #background: Started | undefined;

  constructor(guide: Guide, world: GuideWorld) {
    this.#guide = guide;
    this.#host = new URL(world.url).host;
    this.#port = String(world.port);
    this.#folder = join(world.root, folderOf(guide));
    this.#shell = new GuideShell(this.#folder, environmentOf(world));
  }

  async run(): Promise<void> {
    try {
      for (const block of this.#guide.blocks) await this.#do(block);
    } finally {
      await this.#shell.close();
    }
  }

  async #do(block: Block): Promise<void> {
    if (block.kind === 'file') return this.#write(block);
    if (block.kind === 'expect') return this.#expect(block);
    const here = { ...block, text: this.#addressed(block.text) };
    if (block.background) {
      this.#last = this.#background = this.#shell.start(here);
      return;
    }
    this.#last = await this.#shell
      .run(here)
      .catch((error: Error) => this.#fail(block, error.message, this.#shell.printed));
  }

  /** Once more, now that the server's address is known. */
  #write({ name, text }: FileBlock): void {
    writeFileSync(join(this.#folder, name), `${this.#addressed(text)}\n`);
  }

  async #expect({ lines, background, line }: ExpectBlock): Promise<void> {
    const started = background ? this.#background : this.#last;
    if (started === undefined) throw new Error(`${this.#guide.path}:${line}: nothing runs in the background`);
    const expected = lines.map((each) => this.#addressed(each));
    const missing = (output: string): string | undefined => findMissingLine(expected, output);
    // A block that has ended prints nothing more.
    if (started.block.background) {
      await untilPrinted(started, (output) => missing(output) === undefined).catch(() => {});
    }
    const lacking = missing(started.output());
    if (lacking !== undefined) {
      this.#fail(
        { line },
        `the block of line ${started.block.line} has not printed: ${lacking}`,
        started.output(),
      );
    }
  }

  #fail({ line }: { readonly line: number }, problem: string, output: string): never {
    throw new Error(`${this.#guide.path}:${line}: ${problem}\n── it printed:\n${output}`);
  }

  #addressed(text: string): string {
    return text.replaceAll(WRITTEN_HOST, this.#host).replaceAll(WRITTEN_PORT, this.#port);
  }
}
