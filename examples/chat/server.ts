// A chat whose answers survive reloads: `npm run chat`, with a model: `LLM_URL=https://api.openai.com/v1 LLM_KEY=… LLM_MODEL=… npm run chat`

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import {
  createServer as createMillrace,
  type LlmProvider,
  type ServerOptions,
  signToken,
  systemClock,
} from '@millrace/server';
import { demoProvider } from './demo-provider.ts';

export interface ChatOptions {
  readonly port: number;
  /** Where Millrace keeps its log. */
  readonly directory: string;
  /** Signs the tokens by which Millrace knows the application's users; at least 32 characters. */
  readonly secret: string;
  /** Who answers; words of our own when missing. */
  readonly provider?: { readonly baseUrl: string; readonly model: string; readonly apiKey?: string };
}

const TOKEN_MS = 3_600_000;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export async function startChat({ port, directory, secret, provider }: ChatOptions) {
  const millrace = await createMillrace({
    auth: { secret },
    data: { directory },
    log: { level: 'warn' },
    host: { enabled: false },
    ...answeringBy(provider),
  });
  const page = readPage(join(import.meta.dirname, 'dist'));
  const server = createHttpServer(({ method, url = '/' }, response) => {
    if (method === 'POST' && url === '/token')
      void signGuestToken(secret).then((token) => response.end(token));
    else send(response, page.get(url) ?? page.get('/'));
  });
  millrace.attach(server);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      await millrace.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Your own login says who may have a token; here everybody is a guest, who may read and write in `chat.*`. */
function signGuestToken(secret: string): Promise<string> {
  return signToken({
    key: { alg: 'HS256', secret },
    userId: `guest-${randomUUID()}`,
    roles: ['member'],
    ttlMs: TOKEN_MS,
    clock: systemClock,
  });
}

function answeringBy(provider: ChatOptions['provider']): ServerOptions {
  if (provider !== undefined) return { llm: { providers: { model: provider } } };
  const demo: LlmProvider = demoProvider;
  return { llmProviders: { demo } };
}

interface File {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The built page, by path. */
function readPage(folder: string): Map<string, File> {
  const files = new Map<string, File>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const type = TYPES[extname(entry.name)] ?? 'application/octet-stream';
    files.set(path.slice(folder.length), { type, bytes: readFileSync(path) });
  }
  const index = files.get('/index.html');
  if (index !== undefined) files.set('/', index);
  return files;
}

function send(response: ServerResponse, file: File | undefined): void {
  if (file === undefined) response.writeHead(503).end('not built: npm run chat');
  else response.writeHead(200, { 'Content-Type': file.type, 'Cache-Control': 'no-cache' }).end(file.bytes);
}

if (import.meta.main) {
  const { LLM_URL: baseUrl, LLM_MODEL: model = 'gpt-5-mini', LLM_KEY: apiKey, PORT = '3003' } = process.env;
  const chat = await startChat({
    port: Number(PORT),
    directory: join(import.meta.dirname, '.millrace'),
    secret: process.env.APP_SECRET ?? 'only for trying it out: 32 characters',
    ...(baseUrl !== undefined && { provider: { baseUrl, model, ...(apiKey !== undefined && { apiKey }) } }),
  });
  console.log(`the chat is on ${chat.url}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void chat.close());
}
