import { parentPort, workerData } from 'node:worker_threads';
import { CommitWriter } from './sqlite-commit-writer.ts';
import type { WriterOptions, WriterReply, WriterRequest } from './sqlite-writer-protocol.ts';

/** The writer thread: the only one that writes the data file. Between commits it deletes what has to go. */
const port = parentPort;
if (port === null) throw new Error('sqlite-writer runs as a worker thread');

const writer = new CommitWriter(workerData as WriterOptions);
let tidying: NodeJS.Immediate | undefined;

port.on('message', (request: WriterRequest) => {
  const reply = answer(request);
  port.postMessage(reply);
  if (reply.type === 'closed') port.close();
  else scheduleTidying();
});

function answer(request: WriterRequest): WriterReply {
  switch (request.type) {
    case 'hello':
      return { type: 'hello', lastCommit: writer.lastCommit };
    case 'commit':
      return writer.commit(request);
    case 'close':
      if (tidying !== undefined) clearImmediate(tidying);
      writer.close();
      return { type: 'closed' };
  }
}

/** A little at a time: between two steps the event loop takes in what the engine has sent. */
function scheduleTidying(): void {
  if (tidying !== undefined || writer.tidy) return;
  tidying = setImmediate(() => {
    tidying = undefined;
    writer.tidyUp();
    scheduleTidying();
  });
}
