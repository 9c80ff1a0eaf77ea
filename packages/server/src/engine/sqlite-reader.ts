import { parentPort, workerData } from 'node:worker_threads';
import { openForReading } from './sqlite-file.ts';
import { type PageRequest, SqlitePages } from './sqlite-pages.ts';
import type { ReaderOptions, ReaderReply } from './sqlite-reader-protocol.ts';

/** The reader thread: pages of history, away from the main thread and never on the writer's. */
const port = parentPort;
if (port === null) throw new Error('sqlite-reader runs as a worker thread');

const database = openForReading((workerData as ReaderOptions).path);
const pages = new SqlitePages(database);

port.on('message', (request: PageRequest | { type: 'close' }) => {
  if (request.type === 'close') {
    database.close();
    port.postMessage({ type: 'closed' } satisfies ReaderReply);
    port.close();
    return;
  }
  port.postMessage(answer(request));
});

function answer(request: PageRequest): ReaderReply {
  try {
    return { type: 'page', page: pages.answer(request) };
  } catch (error) {
    return { type: 'failed', message: (error as Error).message };
  }
}
