import { newestPerKey } from './newest-per-key.ts';

/** The view of topics that no family knows: the newest event of each key, or, without keys, of each name. */
export const latestView = newestPerKey({
  name: 'latest',
  version: 2,
  holdsLog: false,
  keyOf: ({ key, event }) => key ?? event,
});
