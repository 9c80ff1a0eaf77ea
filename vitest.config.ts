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
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      ...packages.map((name) => project(name, [`packages/${name}/src/**/*.test.{ts,tsx}`])),
      project('scripts', ['scripts/**/*.test.ts']),
      project('examples', ['examples/**/*.test.ts']),
      project('guides', ['docs/**/*.test.ts']),
      project('bench', ['bench/**/*.test.ts']),
      project('proof', ['proof/**/*.test.ts']),
    ],
  },
});
