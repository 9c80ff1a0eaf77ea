import { builtInFamilies } from '@millrace/catalog';
import type { AsyncApiDocument } from '@millrace/catalog/async-api';
import { CODE_TABLE } from '@millrace/protocol';
import { ApiClient, TestServer } from '@millrace/testkit';
import Type from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createShapeCheck } from './shape-check.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, unknown>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { readonly examples?: readonly unknown[] }>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

let server: TestServer;
let anyone: ApiClient;
let document: Document;
let operations: [string, string, Operation][];

beforeAll(async () => {
  server = await TestServer.start();
  anyone = new ApiClient(server.origin);
  document = (await anyone.get<Document>('/openapi.json')).body;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method,
      path,
      operation,
    ]),
  );
});

afterAll(() => server.close());

describe('the OpenAPI document', () => {
  test('[HTTP-4] is 3.1 and names every route', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(operations.map(([method, path]) => `${method.toUpperCase()} ${path}`).sort()).toEqual([
      'DELETE /api/v1/bans/{id}',
      'DELETE /api/v1/connections/{id}',
      'DELETE /api/v1/processes/{id}',
      'DELETE /api/v1/topics/{topic}',
      'GET /api/v1/alerts',
      'GET /api/v1/analytics/connections',
      'GET /api/v1/analytics/performance',
      'GET /api/v1/audit',
      'GET /api/v1/bans',
      'GET /api/v1/connections',
      'GET /api/v1/events',
      'GET /api/v1/processes',
      'GET /api/v1/processes/{id}',
      'GET /api/v1/realtime/stats',
      'GET /api/v1/system/metrics',
      'GET /api/v1/topics',
      'GET /api/v1/topics/{topic}',
      'GET /api/v1/topics/{topic}/events',
      'GET /api/v1/topics/{topic}/snapshot',
      'GET /api/v1/users/{user_id}/inbox',
      'GET /api/v1/users/{user_id}/inbox/{message_id}',
      'GET /api/v1/ws/message-queue/stats',
      'GET /api/v1/ws/stats',
      'GET /healthz',
      'GET /livez',
      'GET /metrics',
      'GET /readyz',
      'POST /api/v1/alerts/{id}/acknowledge',
      'POST /api/v1/events',
      'POST /api/v1/llm/stream',
      'POST /api/v1/llm/{stream}/cancel',
      'POST /api/v1/processes',
      'POST /api/v1/processes/{id}/resize',
      'POST /api/v1/processes/{id}/signal',
      'POST /api/v1/processes/{id}/stdin',
      'POST /api/v1/tokens/revoke',
      'POST /api/v1/topics/{topic}/ack',
      'POST /api/v1/ws/broadcast',
      'POST /api/v1/ws/send-to-channel/{channel}',
      'POST /api/v1/ws/send-to-session/{session_id}',
      'POST /api/v1/ws/send-to-user/{user_id}',
    ]);
  });

  test('[HTTP-4] says in words what each route, parameter and answer is', () => {
    for (const [method, path, operation] of operations) {
      const where = `${method} ${path}`;
      expect(operation, where).toMatchObject({
        operationId: expect.stringMatching(/^\w+$/),
        summary: expect.stringMatching(/./),
        description: expect.stringMatching(/./),
      });
      for (const { name, description } of operation.parameters ?? []) {
        expect(description, `${where} ${name}`).toBeTruthy();
      }
      for (const [status, { description }] of Object.entries(operation.responses)) {
        expect(description, `${where} ${status}`).not.toBe('Default Response');
      }
    }
    expect(new Set(operations.map(([, , { operationId }]) => operationId)).size).toBe(operations.length);
  });

  test('[HTTP-1] describes every failure as a problem, whose codes have that status', () => {
    for (const [method, path, { responses, security }] of operations) {
      const failures = Object.entries(responses).filter(([status]) => Number(status) >= 400);
      if (security !== undefined)
        expect(
          failures.map(([status]) => status),
          path,
        ).toEqual(expect.arrayContaining(['401', '403']));
      for (const [status, { description, content }] of failures) {
        expect(content, `${method} ${path} ${status}`).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        });
        for (const [, code = ''] of description.matchAll(/^- `([\w-]+)`/gm)) {
          expect(CODE_TABLE[code as keyof typeof CODE_TABLE].http).toBe(Number(status));
        }
      }
    }
  });

  test('[PUB-8] [PUB-9] says that events are held to the catalog', () => {
    const refused = document.paths['/api/v1/events']?.post?.responses['422']?.description ?? '';
    expect(refused).toContain('`bad-data`');
    expect(refused).toContain('`unknown-event`');
  });

  test('[HTTP-4] asks for a token where one is needed', async () => {
    expect(Object.keys(document.components.securitySchemes)).toEqual(['bearer', 'token']);
    for (const [method, path, { security }] of operations) {
      const answer = await anyone.call(path.replace(/\{\w+\}/, 'a'), { method: method.toUpperCase() });
      // An empty requirement stands for no token at all.
      const needsToken = security?.every((scheme) => Object.keys(scheme).length > 0) ?? false;
      expect(answer.status === 401, `${method} ${path}`).toBe(needsToken);
    }
  });

  test('[HTTP-4] refers to nothing that it does not have', () => {
    const { schemas } = document.components;
    for (const [, name = ''] of JSON.stringify(document).matchAll(
      /"\$ref":"#\/components\/schemas\/(\w+)"/g,
    )) {
      expect(schemas).toHaveProperty(name);
    }
    expect(JSON.stringify(document)).not.toMatch(/"\$ref":"(?!#\/components)/);
  });

  test('[HTTP-2] the examples of what is sent are accepted', async () => {
    const api = new ApiClient(server.origin, await server.token());
    const [event] = document.components.schemas.EventInput?.examples ?? [];
    const [cloudEvent] = document.components.schemas.CloudEvent?.examples ?? [];
    expect((await api.post('/api/v1/events', event as object)).status).toBe(200);
    const structured = { 'content-type': 'application/cloudevents+json' };
    expect((await api.post('/api/v1/events', cloudEvent as object, structured)).status).toBe(200);
  });

  test('[HTTP-4] the examples of what is answered have its shape', () => {
    for (const name of ['Problem', 'PublishResult', 'Event'] as const) {
      const { examples = [], ...schema } = document.components.schemas[name] ?? {};
      expect(examples.length).toBeGreaterThan(0);
      const check = createShapeCheck(Type.Unsafe(schema));
      for (const example of examples) expect(() => check(example, '')).not.toThrow();
    }
  });
});

describe('the page', () => {
  test('[HTTP-4] shows every route and shape', async () => {
    const { status, headers, text } = await anyone.get('/docs');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    for (const [, path, { operationId, summary }] of operations) {
      expect(text).toContain(`id="${operationId}"`);
      expect(text).toContain(`<code>${path}</code>`);
      expect(text).toContain(summary.replaceAll('’', '’'));
    }
    for (const name of Object.keys(document.components.schemas)) expect(text).toContain(`id="shape-${name}"`);
    for (const [, anchor = ''] of text.matchAll(/href="#([\w-]+)"/g))
      expect(text).toContain(`id="${anchor}"`);
  });

  test('[HTTP-4] loads nothing and runs nothing, and its policy says so', async () => {
    const { headers, text } = await anyone.get('/docs');
    expect(text).not.toMatch(
      /<script|<link|<img|<iframe|\son\w+=|https?:\/\/(?!127\.0\.0\.1)[^\s"<]*\.(js|css)/,
    );
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/default-src 'none'; style-src 'sha256-[^']+'/);
    expect(policy).not.toContain('unsafe');
  });
});

describe('the AsyncAPI document', () => {
  test('[HTTP-4] has every event of the catalog, and needs no token', async () => {
    const { status, headers, body } = await anyone.get<AsyncApiDocument>('/asyncapi.json');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch('application/json');
    expect(body.asyncapi).toBe('3.0.0');
    expect(Object.keys(body.components.messages)).toEqual(
      builtInFamilies.flatMap(({ events }) => events.map(({ name }) => name)),
    );
  });

  test('[HTTP-4] says where the server is reached when a proxy stands in front', async () => {
    const proxied = await TestServer.start({ server: { publicUrl: 'https://events.example/live/' } });
    try {
      const { body } = await new ApiClient(proxied.origin).get<AsyncApiDocument>('/asyncapi.json');
      expect(body.servers.websocket).toMatchObject({
        host: 'events.example',
        pathname: '/live/ws',
        protocol: 'wss',
      });
    } finally {
      await proxied.close();
    }
  });

  test('[HTTP-4] is a page as well, which shows every event, loads nothing and runs nothing', async () => {
    const { status, headers, text } = await anyone.get('/docs/events');
    expect(status).toBe(200);
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'; style-src 'sha256-[^']+'/);
    for (const { name, events } of builtInFamilies) {
      expect(text).toContain(`id="family-${name}"`);
      for (const event of events) expect(text).toContain(`id="${event.name}"`);
    }
    for (const [, anchor = ''] of text.matchAll(/href="#([^"]+)"/g)) expect(text).toContain(`id="${anchor}"`);
    expect(text).not.toMatch(/<script|<link|<img|<iframe|\son\w+=/);
    // Fields of what may be an object or `null`.
    expect(text).toContain('<code>current_task.estimated_completion_seconds</code>');
  });

  test('[HTTP-4] the two pages lead to each other and to their documents', async () => {
    const visited: string[] = [];
    for (const page of ['/docs', '/docs/events']) {
      const { text } = await anyone.get(page);
      for (const [, target = ''] of text.matchAll(/href="([^#"]+)"/g)) {
        const { pathname } = new URL(target, `${server.origin}${page}`);
        visited.push(pathname);
        expect((await anyone.get(pathname)).status, pathname).toBe(200);
      }
    }
    expect(visited).toEqual(['/openapi.json', '/docs/events', '/asyncapi.json', '/docs']);
  });
});
