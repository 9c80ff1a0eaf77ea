import { readFile } from 'node:fs/promises';
import { ApiClient, parseExposition, TestServer } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/*
 * What docs/monitoring asks Prometheus for must be what `/metrics` has: metrics by their names, and labels that they bear.
 */

const folder = new URL('../../../../docs/monitoring/', import.meta.url);
const read = (file: string): Promise<string> => readFile(new URL(file, folder), 'utf8');

/** Added by Prometheus itself. */
const OF_PROMETHEUS = new Set(['up']);
const LABELS_OF_PROMETHEUS = ['instance', 'job'];
const WORDS = new Set(['and', 'or', 'unless', 'by', 'without', 'on', 'ignoring', 'bool']);

/** The labels of each series that is exposed. */
let exposed: Map<string, Set<string>>;

beforeAll(async () => {
  const server = await TestServer.start();
  const api = new ApiClient(server.origin, await server.token());
  // Whatever is counted by a label that nothing is known of beforehand happens once.
  const client = await server.connect();
  client.send({ type: 'subscribe', topic: 'bad topic' });
  await client.next('error');
  client.close();
  await client.closed;
  await api.get('/api/v1/realtime/stats');
  exposed = new Map();
  for (const { samples } of parseExposition((await api.get('/metrics')).text).values()) {
    for (const key of samples.keys()) {
      const [name = '', labels = ''] = key.split('{');
      const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label as string);
      exposed.set(name, new Set([...(exposed.get(name) ?? []), ...names]));
    }
  }
  await server.close();
});

/** The metrics that an expression names. */
function metricsOf(expression: string): string[] {
  const bare = expression
    .replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, '')
    .replace(/\b(by|without|on|ignoring) *\([^)]*\)/g, '');
  return [...bare.matchAll(/(?<![\w.$])[a-zA-Z_:][\w:]*(?! *\()\b/g)]
    .map(([name]) => name)
    .filter((name) => !WORDS.has(name) && !new RegExp(`${name} *\\(`).test(bare));
}

/** The labels that an expression chooses or groups by. */
function labelsOf(expression: string): string[] {
  const matched = [...expression.matchAll(/[{,] *(\w+) *(?:=~|!~|!=|=)/g)].map(
    ([, label]) => label as string,
  );
  const grouped = [...expression.matchAll(/\b(?:by|without|on|ignoring) *\(([^)]*)\)/g)];
  return [...matched, ...grouped.flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))];
}

function problemsOf(expression: string): string[] {
  const metrics = metricsOf(expression);
  const labels = new Set([
    ...LABELS_OF_PROMETHEUS,
    ...metrics.flatMap((name) => [...(exposed.get(name) ?? [])]),
  ]);
  return [
    ...(metrics.length === 0 ? ['names no metric'] : []),
    ...metrics
      .filter((name) => !exposed.has(name) && !OF_PROMETHEUS.has(name))
      .map((name) => `no metric ${name}`),
    ...labelsOf(expression)
      .filter((label) => !labels.has(label))
      .map((label) => `no label ${label}`),
  ];
}

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly targets: readonly { readonly expr: string }[];
}

describe('what docs/monitoring asks for', () => {
  test.for([
    ['sum by (door) (rate(millrace_connections_active{door="sse"}[5m])) > 0', []],
    ['sum(rate(millrace_made_up_total[5m]))', ['no metric millrace_made_up_total']],
    ['sum by (color) (millrace_connections_active{shape=~"round"})', ['no label shape', 'no label color']],
    ['vector(1)', ['names no metric']],
    [
      'histogram_quantile(0.9, sum by (le) (rate(millrace_hub_flush_sessions_bucket{instance=~"$instance"}[5m])))',
      [],
    ],
    [
      'histogram_quantile(0.9, rate(millrace_hub_flush_sessions[5m]))',
      ['no metric millrace_hub_flush_sessions'],
    ],
  ] as [string, string[]][])('[STAT-2] the check sees what is wrong with %s', ([expression, problems]) => {
    expect(problemsOf(expression)).toEqual(problems);
  });

  test.each(['grafana-health.json', 'grafana-performance.json'])(
    '[STAT-2] the dashboard %s shows only what /metrics has',
    async (file) => {
      const { panels } = JSON.parse(await read(file)) as { panels: Panel[] };
      expect(panels.length).toBeGreaterThan(10);
      for (const { title, description, targets } of panels) {
        expect(description, title).not.toBe('');
        for (const { expr } of targets) expect(problemsOf(expr), `${title}: ${expr}`).toEqual([]);
      }
    },
  );

  test('[STAT-2] the alert rules look only at what /metrics has', async () => {
    const text = await read('alerts.yml');
    const names = [...text.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name);
    const expressions = [...text.matchAll(/^ +expr: (.+)$/gm)].map(([, expression]) => expression as string);
    expect(names).toEqual(expect.arrayContaining(['connection_drop_high', 'latency_degraded']));
    expect(new Set(names).size).toBe(names.length);
    expect(expressions).toHaveLength(names.length);
    for (const expression of expressions) expect(problemsOf(expression), expression).toEqual([]);
  });
});

afterAll(() => exposed.clear());
