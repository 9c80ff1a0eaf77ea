// Temporary: replaced by the HTTP API that is being written.
import type { IncomingMessage, ServerResponse } from 'node:http';
export interface HttpApi {
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}
export function createHttpApi(_context: unknown): Promise<HttpApi> {
  return Promise.resolve({
    handle: (_q, s) => {
      s.writeHead(404);
      s.end();
    },
    close: async () => {},
  });
}
