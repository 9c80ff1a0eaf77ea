import { describe, expect, test } from 'vitest';
import { layerProblems } from './check-layers.ts';

const server = 'packages/server/src';

const allowed: readonly (readonly [path: string, text: string])[] = [
  ['packages/client/src/client.ts', `import { codes } from '@millrace/protocol';`],
  ['packages/cli/src/main.ts', `import { createServer } from '@millrace/server';`],
  ['packages/client/src/client.test.ts', `import { createServer } from '@millrace/server';`],
  [`${server}/hub/hub.ts`, `import { EngineError } from '../engine/engine.ts';`],
  [`${server}/hub/hub.ts`, `import type { Policy } from '../engine/policy.ts';`],
  [`${server}/hub/hub.ts`, `import type { Clock } from '../platform.ts';`],
  [`${server}/hub/hub.test.ts`, `import { createMemoryEngine } from '../engine/memory.ts';`],
  [`${server}/engine/routing.ts`, `import { createMemoryEngine } from './memory.ts';`],
  [`${server}/session/session.ts`, `import type { Engine } from '../engine/engine.ts';`],
  [`${server}/doors/http/publish.ts`, `import { Hub } from '../../hub/hub.ts';`],
  [`${server}/doors/sse.ts`, `import type { AppendResult } from '../engine/engine.ts';`],
  [`${server}/server.ts`, `import { createSqliteEngine } from './engine/sqlite/sqlite-engine.ts';`],
];

const refused: readonly (readonly [path: string, text: string, problem: string])[] = [
  ['packages/protocol/src/a.ts', `import '@millrace/client';`, 'protocol must not import client'],
  ['packages/client/src/a.ts', `import { x } from '@millrace/server';`, 'client must not import server'],
  ['packages/server/src/a.ts', `import { x } from '@millrace/client';`, 'server must not import client'],
  ['packages/server/src/a.ts', `await import('@millrace/client');`, 'server must not import client'],
  ['packages/react/src/a.ts', `export * from '@millrace/server';`, 'react must not import server'],
  ['packages/client/src/a.ts', `import '../../protocol/src/topic.ts';`, 'by its name'],
  ['packages/client/src/a.ts', `import '@millrace/testkit';`, 'client must not import testkit'],
  ['packages/client/src/a.ts', `import './a.test.ts';`, 'a test must not be imported'],
  ['packages/nobody/src/a.ts', `import '@millrace/client';`, 'nobody is missing in the table'],
  [`${server}/engine/a.ts`, `import { Hub } from '../hub/hub.ts';`, 'engine must not import hub'],
  [`${server}/engine/sqlite/a.ts`, `import { Hub } from '../../hub/hub.ts';`, 'backend must not import hub'],
  [
    `${server}/hub/a.ts`,
    `import type { Session } from '../session/session.ts';`,
    'hub must not import session',
  ],
  [`${server}/hub/a.ts`, `import { policy } from '../engine/policy.ts';`, 'only types of engine'],
  [`${server}/hub/a.ts`, `import { type Policy } from '../engine/policy.ts';`, 'only types of engine'],
  [`${server}/hub/a.ts`, `import type { M } from '../engine/memory.ts';`, 'hub must not import backend'],
  [`${server}/session/a.ts`, `import { x } from '../engine/engine.ts';`, 'only types of contract'],
  [`${server}/services/a.ts`, `import { x } from '../doors/sse.ts';`, 'services must not import doors'],
  [
    `${server}/doors/a.ts`,
    `import { m } from '../engine/memory-engine.ts';`,
    'doors must not import backend',
  ],
  [
    `${server}/doors/http/a.ts`,
    `export { m } from '../../engine/sqlite/writer.ts';`,
    'must not import backend',
  ],
  [`${server}/auth/a.ts`, `import { x } from '../session/session.ts';`, 'auth must not import session'],
  [`${server}/doors/a.ts`, `import { config } from '../config.ts';`, 'only types of root'],
  [`${server}/misc/a.ts`, `import { x } from '../hub/hub.ts';`, 'misc is missing in the table'],
];

describe('check-layers', () => {
  test.for(allowed)('allows %s: %s', ([path, text]) => {
    expect(layerProblems(path, text)).toEqual([]);
  });

  test.for(refused)('refuses %s: %s', ([path, text, problem]) => {
    expect(layerProblems(path, text)).toEqual([expect.stringContaining(problem)]);
  });

  test('says where the violation stands', () => {
    const text = `// why\n\nimport '@millrace/server';`;
    expect(layerProblems('packages/client/src/a.ts', text)[0]).toMatch(/^packages\/client\/src\/a\.ts:3: /);
  });
});
