import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Compile } from 'typebox/compile';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Config,
  ConfigError,
  defaultConfig,
  loadConfig,
  namespacePolicies,
  resolveConfig,
} from './config.ts';
import { ConfigSchema } from './config-schema.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'millrace-config-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function write(name: string, content: unknown): string {
  const path = join(cwd, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function load(
  options: { env?: NodeJS.ProcessEnv; flags?: Record<string, string>; file?: string } = {},
): Promise<Config> {
  return loadConfig({ env: {}, ...options, cwd });
}

async function problemsOf(loading: Promise<Config>): Promise<readonly string[]> {
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ConfigError) return error.problems;
  throw new Error('the configuration was accepted', { cause: error });
}

const SECRET = 'a secret that has more than 32 characters';

describe('defaults', () => {
  test('are complete: nothing that the schema requires is missing', () => {
    expect(Compile(ConfigSchema).Errors(defaultConfig())).toEqual([]);
  });

  test('are those that the documentation promises', () => {
    const { server, limits, host } = defaultConfig();
    expect(server).toMatchObject({ host: '127.0.0.1', port: 3001 });
    expect(limits.maxMessageBytes).toBe(64_000);
    expect(limits.heartbeat).toBe('30s');
    expect(host.enabled).toBe(true);
  });

  test('are new each time', () => {
    defaultConfig().cors.origins.push('https://a.example');
    expect(defaultConfig().cors.origins).toEqual([]);
  });
});

describe('precedence', () => {
  test('a flag comes before the environment, that before the file, that before the default', async () => {
    const key = (port: number, host?: string) => ({
      server: { port, ...(host === undefined ? {} : { host }) },
    });
    expect((await load()).server).toMatchObject({ host: '127.0.0.1', port: 3001 });
    write('millrace.config.json', key(1, 'file.example'));
    expect((await load()).server).toMatchObject({ host: 'file.example', port: 1 });
    const env = { MILLRACE_SERVER_PORT: '2' };
    expect((await load({ env })).server).toMatchObject({ host: 'file.example', port: 2 });
    expect((await load({ env, flags: { 'server.port': '3' } })).server).toMatchObject({
      host: 'file.example',
      port: 3,
    });
  });

  test('an empty variable is none', async () => {
    expect((await load({ env: { MILLRACE_SERVER_PORT: '' } })).server.port).toBe(3001);
  });

  test('lists and single namespaces are replaced as a whole', async () => {
    write('millrace.config.json', {
      cors: { origins: ['https://a.example'] },
      namespaces: { chat: { durability: 'live' }, task: { durability: 'live' } },
    });
    const env = {
      MILLRACE_CORS_ORIGINS: 'https://b.example, https://c.example',
      MILLRACE_NAMESPACES: '{"chat": {"retention": {"maxAge": "1d", "maxEvents": 5}}}',
    };
    const config = await load({ env });
    expect(config.cors.origins).toEqual(['https://b.example', 'https://c.example']);
    expect(config.namespaces).toEqual({
      chat: { retention: { maxAge: '1d', maxEvents: 5 } },
      task: { durability: 'live' },
    });
    expect(namespacePolicies(config)).toMatchObject({
      chat: { retention: { maxAgeMs: 86_400_000, maxEvents: 5 } },
      task: { durability: 'live' },
    });
  });
});

describe('the environment', () => {
  test('gives every kind of value', async () => {
    const env = {
      MILLRACE_SERVER_PUBLIC_URL: 'https://events.example.com',
      MILLRACE_HOST_ENABLED: 'false',
      MILLRACE_LIMITS_MAX_JSON_DEPTH: '8',
      MILLRACE_LOG_LEVEL: 'debug',
      MILLRACE_LIMITS_AUTH_TIMEOUT: '3s',
      MILLRACE_AUTH_API_KEYS: JSON.stringify([{ id: 'ci', key: SECRET, roles: ['publisher'] }]),
    };
    const config = await load({ env });
    expect(config.server.publicUrl).toBe('https://events.example.com');
    expect(config.host.enabled).toBe(false);
    expect(config.limits.maxJsonDepth).toBe(8);
    expect(config.log.level).toBe('debug');
    expect(config.limits.authTimeout).toBe('3s');
    expect(config.auth.apiKeys).toEqual([{ id: 'ci', key: SECRET, roles: ['publisher'] }]);
  });

  test('gives secrets by files too', async () => {
    write('secret', `${SECRET}\n`);
    write('keys.json', [{ id: 'ci', key: SECRET, roles: ['publisher'] }]);
    const env = { MILLRACE_AUTH_SECRET_FILE: 'secret', MILLRACE_AUTH_API_KEYS_FILE: join(cwd, 'keys.json') };
    const { auth } = await load({ env });
    expect(auth.secret).toBe(SECRET);
    expect(auth.secretFile).toBeUndefined();
    expect(auth.apiKeys?.[0]?.id).toBe('ci');
  });

  test('a name that is nearly right is refused; what Kubernetes and others set is left alone', async () => {
    const env = {
      MILLRACE_SERVER_PROT: '1',
      MILLRACE_SERVER_SERVICE_HOST: '10.0.0.1',
      MILLRACE_SERVER_PORT_3001_TCP: 'tcp://10.0.0.1:3001',
      MILLRACE_TOKEN: 'x',
      MILLRACE_URL: 'x',
    };
    expect(await problemsOf(load({ env }))).toEqual([
      'MILLRACE_SERVER_PROT is not an option; did you mean MILLRACE_SERVER_PORT?',
    ]);
  });
});

describe('the file', () => {
  test('may be TypeScript', async () => {
    write('millrace.config.ts', 'const port: number = 4000;\nexport default { server: { port } };\n');
    expect((await load()).server.port).toBe(4000);
  });

  test('may be named, and its relative paths start from its own folder', async () => {
    write('secret', SECRET);
    write('key.pem', '-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n');
    const file = write('other.json', {
      $schema: './millrace.schema.json',
      data: { directory: 'log' },
      auth: { secretFile: './secret', publicKeys: ['key.pem', '-----BEGIN PUBLIC KEY-----\ny'] },
    });
    const config = await loadConfig({ file, env: {}, cwd: tmpdir() });
    expect(config.data.directory).toBe(join(cwd, 'log'));
    expect(config.auth).toMatchObject({
      secret: SECRET,
      publicKeys: [
        '-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----',
        '-----BEGIN PUBLIC KEY-----\ny',
      ],
    });
  });

  test.for([
    ['is missing', undefined, 'does not exist'],
    ['is not JSON', '{', 'cannot be read: '],
    ['is not an object', '[]', 'must hold one object'],
  ] as const)('that %s is refused by its name', async ([, content, problem]) => {
    const file = content === undefined ? join(cwd, 'x.json') : write('x.json', content);
    expect((await problemsOf(load({ file }))).join()).toContain(`x.json ${problem}`);
  });

  test('without a default export is refused', async () => {
    write('millrace.config.ts', 'export const port = 1;');
    expect((await problemsOf(load())).join()).toContain('it has no default export');
  });

  test('must be one', async () => {
    write('millrace.config.ts', 'export default {};');
    write('millrace.config.json', {});
    expect((await problemsOf(load())).join()).toContain('both exist');
  });
});

describe('problems', () => {
  test('are all told at once, each by the name its place has for the option', async () => {
    write('millrace.config.json', { limits: { hartbeat: '1s', idleTimeout: 120 }, sever: {} });
    const env = { MILLRACE_SERVER_PORT: 'http', MILLRACE_LOG_LEVEL: 'loud', MILLRACE_AUTH_API_KEYS: '{' };
    const flags = { 'server.port': '70000', 'server.host': '' };
    expect([...(await problemsOf(load({ env, flags })))].sort()).toEqual([
      '--host must not have fewer than 1 characters, not ""',
      '--port must be <= 65535, not 70000',
      'MILLRACE_AUTH_API_KEYS is not JSON',
      'MILLRACE_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not "loud"',
      'MILLRACE_SERVER_PORT must be integer, not "http"',
      'millrace.config.json: limits.hartbeat is not an option; did you mean "heartbeat"?',
      'millrace.config.json: limits.idleTimeout must be a duration such as "500ms", "30s", "2m", "1h" or "7d", not 120',
      'millrace.config.json: sever is not an option; did you mean "server"?',
    ]);
  });

  test.for([
    [{ limits: { heartbeat: '30' } }, 'limits.heartbeat must be a duration such as "500ms"'],
    [{ limits: { heartbeat: '0s' } }, 'limits.heartbeat must be a duration'],
    [{ namespaces: { 'a.b': {} } }, 'namespaces: "a.b" is not a namespace'],
    [
      { namespaces: { chat: { retention: { maxAge: 'x' } } } },
      'namespaces.chat.retention.maxAge must be a duration',
    ],
    [{ namespaces: { chat: { durable: true } } }, 'namespaces.chat.durable is not an option'],
    [{ cors: { origins: ['https://a.example/'] } }, 'cors.origins[0] must be an origin such as'],
    [
      { sources: { prometheus: [{ name: 'app', url: 'localhost:4005/metrics' }] } },
      'sources.prometheus[0].url must be an address that begins with http:// or https://, without a user name, not "local',
    ],
    [
      { sources: { prometheus: [{ name: 'app', url: 'http://localhost', interval: 1 }] } },
      'sources.prometheus[0].interval must be a duration such as "500ms"',
    ],
    [{ tls: { cert: 'a.pem' } }, 'tls.key is missing'],
    [{ tls: { key: 'a.pem' } }, 'tls.cert is missing'],
    [{ limits: { idleTimeout: '30s' } }, 'limits.idleTimeout must be longer than limits.heartbeat'],
    [{ auth: { apiKeys: [{ id: 'a' }] } }, 'auth.apiKeys[0] needs roles'],
    [
      { auth: { apiKeys: [{ id: 'a', roles: ['root'] }] } },
      'auth.apiKeys[0].roles[0] must be one of observer',
    ],
    [{ auth: { apiKeys: [{ id: 'a', roles: ['agent'] }] } }, 'auth.apiKeys[0] needs either key or keyHash'],
    [
      { auth: { apiKeys: [1, 2].map((n) => ({ id: 'a', roles: ['agent'], keyHash: `${n}`.repeat(64) })) } },
      'auth.apiKeys[1].id "a" is taken',
    ],
    [{ auth: { secretFile: 'nowhere' } }, 'nowhere cannot be read (ENOENT)'],
    [{ auth: { publicKeys: ['nowhere'] } }, 'nowhere cannot be read (ENOENT)'],
    [{ auth: { secret: SECRET, secretFile: 'nowhere' } }, 'auth.secret or auth.secretFile, not both'],
    [{ auth: 7 }, 'auth must be object'],
  ] as const)('%j: %s', async ([content, problem]) => {
    write('millrace.config.json', content);
    expect((await problemsOf(load())).join('\n')).toContain(problem);
  });

  test('never show a secret', async () => {
    write('millrace.config.json', {
      auth: { secret: 'short-secret', apiKeys: [{ id: 'a', key: 'short-key', roles: [] }] },
    });
    const env = { MILLRACE_AUTH_API_KEYS: 'not-json-secret' };
    const problems = (await problemsOf(load({ env }))).join('\n');
    write('millrace.config.json', { auth: { hook: { url: 'https://us:our-password@backend/check' } } });
    const ofHook = (await problemsOf(load())).join('\n');
    expect(ofHook).toContain('auth.hook');
    expect(ofHook).not.toContain('our-password');
    expect(problems).toContain('auth.secret must not have fewer than 32 characters');
    expect(problems).not.toMatch(/short-secret|short-key|not-json-secret/);
  });
});

describe('resolveConfig', () => {
  test('completes what somebody who embeds the server says', () => {
    const config = resolveConfig({ server: { port: 0 }, limits: { heartbeat: '1s' } });
    expect(config).toEqual({
      ...defaultConfig(),
      data: { directory: resolve('.millrace') },
      server: { ...defaultConfig().server, port: 0 },
      limits: { ...defaultConfig().limits, heartbeat: '1s' },
    });
  });

  test('leaves a complete configuration as it is', async () => {
    const config = await load();
    expect(resolveConfig(config)).toEqual(config);
  });

  test('refuses as the loader does', () => {
    expect(() => resolveConfig({ server: { port: -1 } })).toThrow('server.port must be >= 0, not -1');
  });
});

describe('providers of language models', () => {
  const provider = { baseUrl: 'https://api.example.com/v1', model: 'tiny' };

  test('have their key from a file, from the environment, or none', async () => {
    write('key', 'sk-from-a-file\n');
    write('millrace.config.json', {
      llm: { providers: { a: { ...provider, apiKeyFile: 'key' }, b: provider }, default: 'b' },
    });
    const { llm } = await load();
    expect(llm.providers).toEqual({ a: { ...provider, apiKey: 'sk-from-a-file' }, b: provider });
    write('providers.json', { c: { ...provider, apiKey: 'sk-3' } });
    const env = { MILLRACE_LLM_PROVIDERS_FILE: 'providers.json' };
    expect((await load({ env })).llm.providers).toEqual({ c: { ...provider, apiKey: 'sk-3' } });
  });

  test.each([
    [{ a: { ...provider, apiKey: 'x', apiKeyFile: 'nowhere' } }, 'apiKey or apiKeyFile, not both'],
    [{ a: { ...provider, apiKeyFile: 'nowhere' } }, 'nowhere cannot be read'],
    [{ a: { model: 'tiny' } }, 'needs baseUrl'],
    [
      { a: { ...provider, baseUrl: 'https://user:sk-secret@api.example.com' } },
      'must be an address that begins with http',
    ],
    [{ a: { ...provider, apiKey: 7777 } }, 'must be string'],
    [{ 'a b': provider }, 'llm.providers'],
  ])('%j: %s, and nothing secret is shown', async (providers, problem) => {
    write('millrace.config.json', { llm: { providers } });
    const problems = (await problemsOf(load())).join('\n');
    expect(problems).toContain(problem);
    expect(problems).not.toMatch(/sk-secret|7777/);
  });
});
