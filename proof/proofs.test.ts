import { describe, expect, test } from 'vitest';
import { PROOFS, proofNamed } from './proofs.ts';
import { describeFailure, prove } from './sequence-proof.ts';

/** Of all proofs together. */
const RUNS = Number(process.env.MILLRACE_SIMULATION_RUNS ?? 2500);
const SEED = Number(process.env.MILLRACE_SEED ?? Date.now() % 1_000_000_007);

describe('whatever the sequence', () => {
  test.each(PROOFS)('[EVT-1] [REC-1] [SUB-3] the $name holds', { timeout: 120_000 }, async (proof) => {
    const { failure } = await prove(proof, { seed: SEED, runs: Math.ceil((RUNS * proof.share) / 100) });
    expect.soft(failure && describeFailure(proof.name, failure)).toBeUndefined();
  });
});

/** Sequences that failed once, as `npm run prove` printed them, with what was wrong. */
const FAILED_ONCE = [
  {
    proof: 'simulation',
    // Its cursor could not be continued, and it joined live delivery, which had not noticed what it had read.
    story: '[REC-1] a reader of a pattern that had lost its place was given once more what it had read',
    sequence:
      '[{"seed":1722890288,"retention":"all","maxRecentBytes":1,"lossyBus":true},[["watch",0,6],["read",7,0],["read",20,1],["read",1,0],["wait",1,1],["read",0,1],["handOver",0,0],["publish",0,3],["publishWithin",14,7],["publishWithin",0,0],["read",0,4],["read",0,0],["delete",2,0],["read",0,3],["publish",0,0],["cut",0,0],["handOver",0,2],["sever",0,0]]]',
  },
  {
    proof: 'simulation',
    // What it still had to be written was read on as if it had come without a subscription, for good and unfiltered.
    story: '[SUB-6] a topic that a slow session unsubscribed from went on without its filter',
    sequence:
      '[{"seed":2133479469,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["cut",0,3],["handOver",0,3],["read",5,7],["cut",0,3],["publishWithin",0,8],["publishWithin",0,1],["handOver",3,5],["publish",0,5],["publish",0,0],["publishWithin",0,2],["publish",0,0],["wait",0,0],["wait",1,8],["publishWithin",0,0],["resume",0,0]]]',
  },
  {
    proof: 'simulation',
    // It had read the head, and waited for what follows; the gap of the follower swallowed that.
    story: '[SUB-3] a subscription that was being opened while its follower had a gap missed an event',
    sequence:
      '[{"seed":816953256,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["read",13,2],["read",16,2],["publish",11,2],["read",0,6],["publishWithin",0,5],["delete",0,0],["cut",4,1],["publish",3,0],["read",23,1],["wait",1,6],["delete",0,0],["publish",0,0],["publish",0,0],["publish",0,0]]]',
  },
  {
    proof: 'simulation',
    // What was sent again was read from where the consumer stood, over and over, and that was gone.
    story:
      '[ACK-1] a consumer whose next event retention took while it was being opened was sent nothing any more',
    sequence:
      '[{"seed":334116368,"retention":"few","maxRecentBytes":1000000,"lossyBus":false},[["publish",12,4],["publishWithin",6,9],["wait",7,7],["consume",3,6],["restart",0,0],["consume",0,0],["publish",13,0],["publish",0,0],["publishWithin",0,0]]]',
  },
  {
    proof: 'simulation',
    // Every subscription was told that it had lost something, and went on behind it, whatever the log still had.
    story:
      '[REC-8] an event that fell into the gap of a follower was in the log, and never handed to its consumer',
    sequence:
      '[{"seed":30394339,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["publishWithin",11,0],["publishWithin",0,0],["consume",7,0],["wake",0,0],["handOver",0,4],["delete",7,0],["publishWithin",10,0],["resume",0,0],["resume",0,0],["consume",0,0],["consume",0,0]]]',
  },
  {
    proof: 'simulation',
    // An acknowledgement had come after the deletion, and stood beyond the head of the topic that was there then.
    story: '[ACK-1] a consumer whose topic was deleted while it was being opened was never answered',
    sequence:
      '[{"seed":0,"retention":"all","maxRecentBytes":1000000,"lossyBus":false},[["consume",0,0],["consume",0,0],["publishWithin",0,0],["resume",0,7],["read",14,1],["handOver",0,0],["cut",0,0],["stall",0,0],["delete",0,0]]]',
  },
  {
    proof: 'simulation',
    // A replay that spans both lives was interrupted by a slow loop, and began again from a cursor before them.
    story: '[SUB-9] events of a former life of a topic came twice, since their epoch was not the newest',
    sequence:
      '[{"seed":2053210029,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["restart",10,3],["publish",0,2],["delete",0,9],["wait",3,1],["read",18,9],["sever",0,8],["handOver",0,1],["publish",3,7],["read",23,9],["publish",9,7],["publish",20,9],["handOver",0,2],["publish",0,4],["wake",3,3],["read",5,1],["wait",1,2],["publishWithin",0,8],["publish",7,4],["consume",6,2],["read",17,5],["sever",0,1],["restart",1,0],["wait",3,4],["publishWithin",0,7],["delete",0,0],["resume",0,0],["handOver",0,0],["publish",0,0],["leave",0,0]]]',
  },
  {
    proof: 'simulation',
    // What came in the meantime was given engine by engine, and counted as the replay: its cursor was taken before its end.
    story:
      '[SUB-3] live events of one engine overtook the replay of the other, and a reader that paused missed its rest',
    sequence:
      '[{"seed":975065546,"retention":"all","maxRecentBytes":1000000,"lossyBus":false},[["watch",3,1],["read",21,3],["publish",0,2],["read",0,2],["read",14,0],["read",0,0],["wait",0,6],["handOver",0,9],["publishWithin",2,3],["publishWithin",0,0],["resume",0,0],["stall",0,0],["stall",0,0]]]',
  },
  {
    proof: 'simulation',
    // An acknowledgement of its former life was counted, and what is over was looked for behind the head, without end.
    story:
      '[ACK-1] a consumer of a topic that was deleted and written anew was never answered, nor was what its session asked next',
    sequence:
      '[{"seed":1050485572,"retention":"all","maxRecentBytes":1000000,"lossyBus":false},[["publish",0,0],["publish",0,1],["publish",0,8],["consume",2,6],["read",1,1],["cut",0,5],["publishWithin",0,6],["cut",1,0],["delete",0,0],["watch",0,3],["wake",0,0],["handOver",0,6],["read",0,0],["publish",0,1],["restart",0,0],["read",3,1]]]',
  },
  {
    proof: 'simulation',
    // No fault: the snapshots were taken after the deletion, and live delivery had that life's last event still to give.
    story:
      '[SUB-3] a viewer of a pattern got the last event of a topic that was deleted while its snapshots were taken',
    sequence:
      '[{"seed":19,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["sever",13,7],["publish",0,2],["publishWithin",0,9],["wait",18,8],["publish",0,5],["watch",0,2],["delete",0,0],["restart",0,0],["publishWithin",0,0],["publish",0,0]]]',
  },
  {
    proof: 'simulation',
    // Its events waited in a queue, and the gap of the follower counted as one of every queue.
    story: '[REC-8] a slow reader that keeps the newest was told a gap when another topic was deleted',
    sequence:
      '[{"seed":2130706414,"retention":"all","maxRecentBytes":1000000,"lossyBus":true},[["cut",15,0],["read",19,6],["cut",3,5],["publish",0,0],["publishWithin",0,8],["publish",3,8],["publishWithin",0,0],["cut",0,8],["cut",0,1],["read",11,5],["resume",0,3],["publishWithin",10,7],["publishWithin",10,2],["publishWithin",0,4],["resume",0,2],["resume",0,5],["publish",0,7],["publishWithin",0,2],["delete",0,0],["read",0,0],["handOver",0,0]]]',
  },
];

test.each(FAILED_ONCE)('$story', async ({ proof, sequence }) => {
  expect(await proofNamed(proof).run(JSON.parse(sequence))).toEqual([]);
});
