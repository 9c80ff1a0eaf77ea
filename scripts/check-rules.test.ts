import { describe, expect, test } from 'vitest';
import { citedRules, definedRules, ruleProblems } from './check-rules.ts';

const protocol = `
# Protocol
- **[CONN-1]** The first message authenticates.
**[CONN-2]** As in [CONN-1], a second one renews.
`;
const tests = (text: string) => new Map([['a.test.ts', text]]);

describe('check-rules', () => {
  test('accepts when every rule is cited', () => {
    const text = `describe('x', () => { test('[CONN-1] a', f); it.for([1])(\`[CONN-2] \${n}\`, f); });`;
    expect(ruleProblems(protocol, tests(text))).toEqual([]);
  });

  test('fails on a rule without a test', () => {
    expect(ruleProblems(protocol, tests(`test('[CONN-1] a', f);`))).toEqual([
      'PROTOCOL.md:4: no test cites [CONN-2]',
    ]);
  });

  test('fails on a test of an unknown rule', () => {
    const text = `test('[CONN-1][CONN-2] a', f); test('[CONN-9] b', f);`;
    expect(ruleProblems(protocol, tests(text))).toEqual([
      'a.test.ts: cites [CONN-9], which PROTOCOL.md does not define',
    ]);
  });

  test('fails on a rule defined twice', () => {
    const text = `test('[CONN-1][CONN-2]', f);`;
    expect(ruleProblems(`${protocol}- **[CONN-1]** Again.`, tests(text))).toEqual([
      'PROTOCOL.md:5: [CONN-1] is defined more than once',
    ]);
  });

  test('takes a mention inside a sentence for no definition', () => {
    expect(definedRules(`See **[CONN-1]**.`).size).toBe(0);
  });

  test('counts neither comments nor skipped and planned tests', () => {
    const text = `// [A-1]\ntest.skip('[A-2]', f); test.todo('[A-3]'); describe.skip('x', () => { test('[A-4]', f); });`;
    expect([...citedRules('a.test.ts', text)]).toEqual([]);
  });
});
