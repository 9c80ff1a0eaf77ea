import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Millrace, type Served, serve } from '../../packages/cli/test/millrace.ts';
import { findMissingLine } from './expected-lines.ts';
import { readGuide } from './guide.ts';
import { folderOf, GuideRun, type GuideWorld, writeFiles, writeNpx } from './guide-run.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
// The overview of the guides runs nothing.
const paths = [
  ...readdirSync(HERE)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .map((name) => `docs/guides/${name}`),
  'README.md',
];
const guides = paths.map((path) => readGuide(path, readFileSync(join(HERE, '../..', path), 'utf8')));

/** One server for all guides has all their configurations: sections are put together, lists one behind the other. */
function writeConfig(root: string): void {
  const files = guides.flatMap((guide) =>
    guide.blocks.flatMap((block) =>
      block.kind === 'file' && /^millrace\.config\.(json|ts)$/.test(block.name)
        ? [`./${folderOf(guide)}/${block.name}`]
        : [],
    ),
  );
  const imports = files.map((file, index) => {
    const json = file.endsWith('.json') ? " with { type: 'json' }" : '';
    return `import c${index} from '${file}'${json};`;
  });
  const merge = `const merge = (a, b) =>
  Array.isArray(a) ? [...a, ...b]
  : typeof a === 'object' ? { ...a, ...Object.fromEntries(Object.entries(b).map(([key, value]) => [key, key in a ? merge(a[key], value) : value])) }
  : b;`;
  const all = `export default [${files.map((_, index) => `c${index}`).join(', ')}].reduce(merge, {});`;
  writeFileSync(join(root, 'millrace.config.ts'), [...imports, merge, all, ''].join('\n'));
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

let world: GuideWorld;
let served: Served;

beforeAll(async () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-guides-'));
  const port = await findFreePort();
  for (const guide of guides) writeFiles(root, guide, port);
  writeNpx(root);
  writeConfig(root);
  served = await serve(root);
  const { stdout } = await new Millrace(['token', '--role', 'admin', '--sub', 'guide'], { cwd: root })
    .finished;
  world = { root, url: served.url, port, token: stdout.toString().trim() };
}, 60_000);

afterAll(async () => {
  served.process.kill('SIGTERM');
  await served.process.finished;
  rmSync(world.root, { recursive: true, force: true });
});

test.for(guides.map((guide) => [guide.path, guide] as const))(
  '%s does what it says',
  { timeout: 300_000 },
  ([, guide]) => new GuideRun(guide, world).run(),
);

const attempt = (markdown: string): Promise<void> => {
  const guide = readGuide(`attempt-${markdown.length}.md`, markdown);
  writeFiles(world.root, guide, world.port);
  return new GuideRun(guide, world).run();
};

test('a guide that prints something else fails with its line and what was printed', async () => {
  const wrong = attempt('# A\n\n```sh\nx=1; echo one; echo two\n```\n\n```text\ntwo\none\n```\n');
  await expect(wrong).rejects.toThrow(
    /^attempt-\d+\.md:7: the block of line 3 has not printed: one\n── it printed:\none\ntwo\n$/,
  );
});

test('a guide whose command fails does not go on', async () => {
  const failing = attempt('```sh\nx=1\n```\n```sh\necho "$x"; ls nowhere; echo on\n```\n');
  await expect(failing).rejects.toThrow(/\.md:4: exit status 2\n── it printed:\n1\nls: .*nowhere.*\n$/);
});

test('what goes on in the background is waited for, and ends with the guide', async () => {
  const steps = [
    'sh background\nuntil test -s said; do sleep 0.05; done; cat said',
    'sh\necho hello > said',
    'text background\nhel…',
  ];
  await attempt(steps.map((step) => `\`\`\`${step}\n\`\`\`\n`).join('\n'));
});

test('expected lines come in their order, with others between them', () => {
  const output = 'a (1)\nsomething else\nb 22 c\n';
  expect(findMissingLine(['a (1)', 'b … c'], output)).toBeUndefined();
  expect(findMissingLine(['b … c', 'a (1)'], output)).toBe('a (1)');
  expect(findMissingLine(['a .1.'], output)).toBe('a .1.');
});
