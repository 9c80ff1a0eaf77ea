import { escapeHtml, type HtmlPage, htmlPage, markdownToHtml } from './html-page.ts';
import { propertyTable, refName, type Schema, table, typeOf } from './schema-html.ts';

/* The OpenAPI document as a page to read. What is read of the document: */

export interface ApiDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly tags?: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
  readonly example?: unknown;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export function renderDocs(document: ApiDocument): HtmlPage {
  const { info, tags = [], components } = document;
  const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
  );
  const schemas = Object.entries(components?.schemas ?? {});
  const groups = tags.map((tag) => ({
    ...tag,
    routes: routes.filter(({ operation }) => operation.tags.includes(tag.name)),
  }));
  const nav = groups.map(
    ({ name, routes }) =>
      `<strong>${escapeHtml(name)}</strong><ul>${routes.map(({ operation }) => link(operation.operationId, operation.summary)).join('')}</ul>`,
  );
  const sections = groups.map(
    ({ name, description = '', routes }) =>
      `<section><h2>${escapeHtml(name)}</h2>${markdownToHtml(description)}${routes.map((route) => renderRoute(route, components?.schemas ?? {})).join('')}</section>`,
  );
  const body = `<a class="skip" href="#content">Skip to content</a>
<div class="page">
<nav aria-label="Routes"><p><a href="openapi.json">openapi.json</a> · <a href="docs/events">Events</a></p>${nav.join('')}
<strong>Shapes</strong><ul>${schemas.map(([name]) => link(`shape-${name}`, name)).join('')}</ul></nav>
<main id="content"><h1>${escapeHtml(info.title)} <span class="soft">${escapeHtml(info.version)}</span></h1>
${markdownToHtml(info.description ?? '')}
${sections.join('\n')}
<section><h2>Shapes</h2>${schemas.map(renderShape).join('')}</section>
</main></div>`;
  return htmlPage({ title: `${escapeHtml(info.title)} HTTP API`, body });
}

function link(id: string, text: string): string {
  return `<li><a href="#${escapeHtml(id)}">${escapeHtml(text)}</a></li>`;
}

function renderRoute({ method, path, operation }: Route, schemas: Readonly<Record<string, Schema>>): string {
  const { operationId, summary, description = '', parameters = [], requestBody, responses } = operation;
  const secured = operation.security !== undefined;
  const parts = [
    `<article class="operation" id="${escapeHtml(operationId)}"><h3>${escapeHtml(summary)}</h3>`,
    `<p class="route"><span class="method ${escapeHtml(method)}">${escapeHtml(method.toUpperCase())}</span><code>${escapeHtml(path)}</code>${secured ? '' : '<span class="soft">no token needed</span>'}</p>`,
    markdownToHtml(description),
    '<h4>Example</h4>',
    `<pre><code>${escapeHtml(curlExample(method, path, operation, schemas))}</code></pre>`,
  ];
  if (parameters.length > 0)
    parts.push(
      '<h4>Parameters <span class="plain">(* required)</span></h4>',
      table(['name', 'in', 'type', ''], parameters.map(parameterRow)),
    );
  if (requestBody !== undefined)
    parts.push('<h4>Body</h4>', table(['type', 'shape'], contentRows(requestBody.content)));
  const answers = Object.entries(responses).map(([status, { description, content }]) => [
    `<code>${escapeHtml(status)}</code>`,
    markdownToHtml(description) + (status.startsWith('2') ? contentShapes(content) : ''),
  ]);
  parts.push('<h4>Answers</h4>', table(['status', ''], answers), '</article>');
  return parts.join('\n');
}

function curlExample(
  method: string,
  path: string,
  { security, parameters = [], requestBody }: Operation,
  schemas: Readonly<Record<string, Schema>>,
): string {
  const filled = path.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const example = parameters.find((parameter) => parameter.name === name)?.example;
    return example === undefined ? whole : encodeURIComponent(String(example));
  });
  const lines = [`curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$MILLRACE_URL${filled}"`];
  if (security !== undefined) lines.push('-H "Authorization: Bearer $MILLRACE_TOKEN"');
  const [type, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const example = body?.schema === undefined ? undefined : exampleOf(body.schema, schemas);
  if (type !== undefined && example !== undefined) {
    lines.push(`-H 'Content-Type: ${type}'`, `-d '${JSON.stringify(example)}'`);
  }
  return lines.join(' \\\n  ');
}

function exampleOf(schema: Schema, schemas: Readonly<Record<string, Schema>>): unknown {
  const name = refName(schema);
  if (name !== undefined) return schemas[name]?.examples?.[0];
  return schema.examples?.[0] ?? (schema.anyOf?.[0] && exampleOf(schema.anyOf[0], schemas));
}

function parameterRow({ name, in: place, required, description, schema = {} }: Parameter): string[] {
  const fallback =
    schema.default === undefined
      ? ''
      : ` <span class="soft">default ${escapeHtml(String(schema.default))}</span>`;
  const text = description ?? schema.description ?? '';
  return [
    `<code>${escapeHtml(name)}</code>${required ? ' *' : ''}`,
    escapeHtml(place),
    typeOf(schema) + fallback,
    markdownToHtml(text),
  ];
}

function contentRows(content: Content): string[][] {
  return Object.entries(content).map(([type, { schema }]) => [
    `<code>${escapeHtml(type)}</code>`,
    schema ? typeOf(schema) : '',
  ]);
}

function contentShapes(content: Content = {}): string {
  return Object.values(content)
    .map(({ schema }) => (schema === undefined ? '' : `<p>${typeOf(schema)}</p>${propertyTable(schema)}`))
    .join('');
}

function renderShape([name, schema]: readonly [string, Schema]): string {
  const example = schema.examples?.[0];
  return `<article class="operation" id="shape-${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3>
${markdownToHtml(schema.description ?? '')}
${propertyTable(schema)}
${example === undefined ? '' : `<h4>Example</h4><pre><code>${escapeHtml(JSON.stringify(example, null, 2))}</code></pre>`}</article>`;
}
