// Every rule of PROTOCOL.md has a test that carries its ID, and no test cites a rule that does not exist.

import { existsSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type Node, parseSync, visitorKeys } from 'oxc-parser';
import { reportProblems } from './report-problems.ts';
import { isTest, sourceFiles, workspaceRoot } from './source-files.ts';

const definition = /^\s*(?:[-*]\s+)?\*\*\[([A-Z]+-\d+)\]\*\*/;
const citation = /\[([A-Z]+-\d+)\]/g;

/** Rule ID → the lines that define it. */
export function definedRules(protocol: string): Map<string, number[]> {
  const rules = new Map<string, number[]>();
  for (const [index, line] of protocol.split('\n').entries()) {
    const id = definition.exec(line)?.[1];
    if (id !== undefined) rules.set(id, [...(rules.get(id) ?? []), index + 1]);
  }
  return rules;
}

/** IDs in the strings of a test file. Comments do not count, nor does what stands in a skipped or planned test. */
export function citedRules(path: string, text: string): Set<string> {
  const cited = new Set<string>();
  const collect = (value: string): void => {
    for (const [, id] of value.matchAll(citation)) if (id !== undefined) cited.add(id);
  };
  const visit = (node: Node): void => {
    if (node.type === 'Literal' && typeof node.value === 'string') collect(node.value);
    if (node.type === 'TemplateElement') collect(node.value.raw);
    if (
      node.type === 'CallExpression' &&
      /\.(skip|todo)\b/.test(text.slice(node.callee.start, node.callee.end))
    ) {
      return;
    }
    for (const child of childrenOf(node)) visit(child);
  };
  visit(parseSync(path, text).program as Node);
  return cited;
}

function childrenOf(node: Node): Node[] {
  // The parser's own table names the fields of each node type that hold nodes.
  const fields = node as unknown as Record<string, Node | null | (Node | null)[]>;
  return (visitorKeys[node.type] ?? []).flatMap((key) => fields[key] ?? []).filter((child) => child !== null);
}

export function ruleProblems(protocol: string, tests: ReadonlyMap<string, string>): string[] {
  const rules = definedRules(protocol);
  const problems: string[] = [];
  for (const [id, lines] of rules) {
    if (lines.length > 1) problems.push(`PROTOCOL.md:${lines[1]}: [${id}] is defined more than once`);
  }
  const cited = new Set<string>();
  for (const [path, text] of tests) {
    for (const id of citedRules(path, text)) {
      cited.add(id);
      if (!rules.has(id)) problems.push(`${path}: cites [${id}], which PROTOCOL.md does not define`);
    }
  }
  for (const [id, [line]] of rules) {
    if (!cited.has(id)) problems.push(`PROTOCOL.md:${line}: no test cites [${id}]`);
  }
  return problems;
}

/** Tests, and the contract suites that tests run. */
function testFiles(root: string): string[] {
  const folders = ['packages', 'examples', 'bench'].map((folder) => join(root, folder));
  const inTestkit = (file: string): boolean => file.startsWith(join(root, 'packages', 'testkit'));
  return folders.flatMap(sourceFiles).filter((file) => isTest(file) || inTestkit(file));
}

export function checkRules(root: string): string[] {
  const page = join(root, 'PROTOCOL.md');
  if (!existsSync(page)) console.log('rules: there is no PROTOCOL.md yet, so there are no rules to test');
  const protocol = existsSync(page) ? readFileSync(page, 'utf8') : '';
  const tests = testFiles(root).map((file) => {
    return [relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8')] as const;
  });
  return ruleProblems(protocol, new Map(tests));
}

if (import.meta.main) reportProblems('rules', checkRules(workspaceRoot));
