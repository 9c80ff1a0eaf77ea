import { afterEach, beforeEach, describe } from 'vitest';
import { describeAppends } from './engine-contract/appends.ts';
import { describeClaims } from './engine-contract/claims.ts';
import { describeCursors } from './engine-contract/cursors.ts';
import { describeFollowing } from './engine-contract/following.ts';
import type { EngineHarness, HarnessOptions } from './engine-contract/harness.ts';
import { describeModel } from './engine-contract/model.ts';
import { describeReads } from './engine-contract/reads.ts';
import { describeRetention } from './engine-contract/retention.ts';
import { describeTopics } from './engine-contract/topics.ts';

export type { EngineHarness, HarnessOptions };

/**
 * The contract of `engine.ts`, sentence by sentence, for any engine. `open` gives a fresh, empty engine each time.
 * What a harness cannot do (fail a commit, open again what it stored) it leaves out, and the cases that need it too.
 */
export function describeEngineContract(
  name: string,
  open: (options: HarnessOptions) => Promise<EngineHarness>,
  abilities: { readonly failsCommits?: boolean; readonly reopens?: boolean } = {},
): void {
  describe(`${name} keeps the engine contract`, () => {
    const opened: EngineHarness[] = [];
    let current: EngineHarness;
    const openAndNote = async (options: HarnessOptions) => {
      const harness = await open(options);
      opened.push(harness);
      return harness;
    };
    beforeEach(async () => {
      current = await openAndNote({});
    });
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.close();
    });
    const suite = {
      harness: () => current,
      open: openAndNote,
      failsCommits: abilities.failsCommits ?? false,
      reopens: abilities.reopens ?? false,
    };
    describeAppends(suite);
    describeReads(suite);
    describeCursors(suite);
    describeFollowing(suite);
    describeTopics(suite);
    describeRetention(suite);
    describeClaims(suite);
    describeModel(suite);
  });
}
