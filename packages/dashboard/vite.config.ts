import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** sonner writes its style sheet into a <style> element; we bundle `sonner/dist/styles.css`, so that `style-src 'self'` holds. */
const withoutInjectedStyles: Plugin = {
  name: 'without-injected-styles',
  transform(code, id) {
    if (!id.includes('/sonner/')) return undefined;
    return { code: code.replace(/^__insertCSS\(".*"\);?$/m, ''), map: null };
  },
};

export default defineConfig(({ command }) => {
  // A build started from a test run would inherit `test`, and bundle React's development build.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    // The server may stand behind any path.
    base: './',
    plugins: [react(), withoutInjectedStyles],
    resolve: { conditions: ['source', 'module', 'browser', 'development|production'] },
    build: {
      // What has `light-dark()`; older browsers would need every colour twice.
      target: ['chrome123', 'firefox125', 'safari17.5'],
      // Small assets stay files: `data:` would need exceptions in a content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  };
});
