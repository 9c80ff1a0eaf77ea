import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Packages see each other's sources, in tests and in every process that tests start.
const conditions = ['source', 'module', 'node', 'development|production'];

const project = (name: string, include: string[]) => ({ extends: true as const, test: { name, include } });
const packages = ['protocol', 'catalog', 'server', 'client', 'react', 'dashboard', 'testkit', 'cli'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    pool: 'forks',
    // Parts of the AI SDK have a condition `source`, too, whose files Node does not run below node_modules.
    server: { deps: { inline: [/node_modules\/(ai|@ai-sdk|eventsource-parser)\//] } },
    execArgv: ['--conditions=source'],
    // Much of a test is waiting for other processes, so two share even a small machine well.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      ...packages.map((name) => project(name, [`packages/${name}/src/**/*.test.{ts,tsx}`])),
      project('scripts', ['scripts/**/*.test.ts']),
      project('examples', ['examples/**/*.test.ts']),
      project('guides', ['docs/**/*.test.ts']),
      project('proof', ['proof/**/*.test.ts']),
      // After the others: it loads the machine on purpose.
      {
        extends: true,
        test: {
          name: 'bench',
          include: ['bench/**/*.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
