/** A fault that is put into the server on purpose, to see that the proofs would notice it. */
export interface Fault {
  readonly name: string;
  readonly story: string;
  /** Relative to the workspace root. */
  readonly file: string;
  /** Each text stands in the file once. */
  readonly changes: readonly { readonly from: string; readonly to: string }[];
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'off-by-one in resume',
    story: 'a position resumes one event later than it should',
    file: 'packages/server/src/engine/ledger.ts',
    changes: [
      {
        from: 'return { ok: true, after: position.offset };',
        to: 'return { ok: true, after: Math.min(position.offset + 1, existing.offset) };',
      },
    ],
  },
  {
    name: 'live before replay',
    story: 'live events do not wait behind a replay that is being read',
    file: 'packages/server/src/hub/subscription.ts',
    changes: [{ from: 'this.state.reader.offer(event);\n        return false;', to: 'return true;' }],
  },
  {
    name: 'ack not persisted',
    story: 'how far a consumer has come is remembered, and not stored',
    file: 'packages/server/src/inbox/consumer-record.ts',
    changes: [
      {
        from: 'await this.#engine.setConsumer(entity, topic, name, version, next)',
        to: '{ stored: true, state: { ...next, version: version + 1 } }',
      },
    ],
  },
  {
    name: 'filter applied only live',
    story: 'what is read from the log is not filtered',
    file: 'packages/server/src/hub/log-reader.ts',
    changes: [
      {
        from: 'const passes = this.subscription.passes(event);',
        to: 'const passes = true;',
      },
    ],
  },
  {
    name: 'epoch ignored',
    story: 'a position of a topic that was deleted resumes the one that was born after it',
    file: 'packages/server/src/engine/ledger.ts',
    changes: [
      {
        from: 'if (existing !== undefined && position.epoch === existing.epoch) {',
        to: 'if (existing !== undefined) {',
      },
    ],
  },
];
