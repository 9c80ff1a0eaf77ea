import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig(({ command }) => {
  // A build started from a test run would inherit `test`, and bundle React's development build.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    root: import.meta.dirname,
    base: './',
    plugins: [react()],
    // In this workspace packages are taken from their sources; an application of yours does without this line.
    resolve: { conditions: ['source', 'module', 'browser', 'development|production'] },
    build: { target: ['chrome123', 'firefox125', 'safari17.5'], modulePreload: { polyfill: false } },
  };
});
