/** A fenced block of a guide that does something. `line` is that of its fence, from 1. */
export type Block = RunBlock | FileBlock | ExpectBlock;

/** Saved under its name, for the blocks after it; a `millrace.config.*` is the server's. */
export interface FileBlock {
  readonly kind: 'file';
  readonly line: number;
  readonly name: string;
  readonly text: string;
}

export interface RunBlock {
  readonly kind: 'run';
  readonly line: number;
  readonly language: 'sh' | 'ts';
  readonly text: string;
  /** It goes on beside the blocks that follow, as in another terminal, until the guide ends. */
  readonly background: boolean;
}

/** Lines that the run block before it prints, or the newest one in the background. */
export interface ExpectBlock {
  readonly kind: 'expect';
  readonly line: number;
  readonly lines: readonly string[];
  readonly background: boolean;
}

export interface Guide {
  /** Relative to the workspace. */
  readonly path: string;
  readonly blocks: readonly Block[];
}

interface Fence {
  readonly line: number;
  readonly language: string;
  readonly info: string;
  readonly text: string;
}

function* fencesOf(markdown: string): Generator<Fence> {
  let open: { readonly line: number; readonly head: string; readonly body: string[] } | undefined;
  for (const [index, text] of markdown.split('\n').entries()) {
    if (!text.startsWith('```')) {
      open?.body.push(text);
    } else if (open === undefined) {
      open = { line: index + 1, head: text.slice(3), body: [] };
    } else {
      const [language = '', ...info] = open.head.trim().split(' ');
      yield { line: open.line, language, info: info.join(' '), text: open.body.join('\n') };
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the block has no end`);
}

function blockOf({ line, language, info, text }: Fence): Block | undefined {
  const background = info === 'background';
  const known = background || info === '';
  if (info === 'no-run') return undefined;
  if (language === 'text' && known) {
    return { kind: 'expect', line, background, lines: text.split('\n').filter((each) => each.trim() !== '') };
  }
  if ((language === 'sh' || language === 'ts') && known) {
    return { kind: 'run', line, language, text, background };
  }
  return /^[\w-]+(\.[\w-]+)+$/.test(info) ? { kind: 'file', line, name: info, text } : undefined;
}

/**
 * What a guide has its reader do, in order: blocks of `sh` and `ts` are run, a `text` says what that prints, a block with a file's name
 * behind its language is that file, and `no-run`, like any other language, is only shown.
 */
export function readGuide(path: string, markdown: string): Guide {
  const blocks = [...fencesOf(markdown)].map(blockOf).filter((block) => block !== undefined);
  const first = blocks.find(({ kind }) => kind !== 'file');
  if (first?.kind === 'expect') throw new Error(`${path}:${first.line}: nothing has been run before it`);
  return { path, blocks };
}
