import type { AsyncApiChannel, AsyncApiDocument, AsyncApiMessage } from '@millrace/catalog/async-api';
import { escapeHtml, type HtmlPage, htmlPage, markdownToHtml } from './html-page.ts';
import { propertyTable, refName, type Schema, table } from './schema-html.ts';

/** The AsyncAPI document as a page to read: each family with its topics and events. */
export function renderEvents(document: AsyncApiDocument): HtmlPage {
  const { info } = document;
  const families = info.tags.map((tag) => familyOf(tag, document));
  const nav = families.map(
    ({ name, messages }) =>
      `<strong><a href="#family-${escapeHtml(name)}">${escapeHtml(name)}</a></strong><ul>${messages.map(link).join('')}</ul>`,
  );
  const body = `<a class="skip" href="#content">Skip to content</a>
<div class="page">
<nav aria-label="Events"><p><a href="../asyncapi.json">asyncapi.json</a> · <a href="../docs">HTTP API</a></p>${nav.join('')}</nav>
<main id="content"><h1>${escapeHtml(info.title)} events <span class="soft">${escapeHtml(info.version)}</span></h1>
${markdownToHtml(info.description)}
<h4>Publish one</h4>
<pre><code>${escapeHtml(curlExample(document))}</code></pre>
${families.map((family) => renderFamily(family, document)).join('\n')}
</main></div>`;
  return htmlPage({ title: `${escapeHtml(info.title)} events`, body });
}

interface Family {
  readonly name: string;
  readonly description: string;
  readonly channels: readonly AsyncApiChannel[];
  readonly messages: readonly AsyncApiMessage[];
}

const isTagged = (name: string) => (item: { readonly tags: readonly { readonly name: string }[] }) =>
  item.tags.some((tag) => tag.name === name);

function familyOf(
  { name, description }: { readonly name: string; readonly description: string },
  { channels, components }: AsyncApiDocument,
): Family {
  return {
    name,
    description,
    channels: Object.values(channels).filter(isTagged(name)),
    messages: Object.values(components.messages).filter(isTagged(name)),
  };
}

function link({ name }: AsyncApiMessage): string {
  return `<li><a href="#${escapeHtml(name)}">${escapeHtml(name)}</a></li>`;
}

function curlExample({ channels, components }: AsyncApiDocument): string {
  const [channel] = Object.values(channels);
  const [message] = Object.values(components.messages);
  if (channel === undefined || message === undefined) return '';
  const topic = channel.address.replaceAll(/\{\w+\}/g, 'example');
  const event = { topic, event: message.name, data: message.examples[0]?.payload };
  return [
    'curl -X POST "$MILLRACE_URL/api/v1/events"',
    '-H "Authorization: Bearer $MILLRACE_TOKEN"',
    "-H 'Content-Type: application/json'",
    `-d '${JSON.stringify(event)}'`,
  ].join(' \\\n  ');
}

function renderFamily(family: Family, document: AsyncApiDocument): string {
  const { name, description, channels, messages } = family;
  const rows = channels.map(({ title, 'x-view': view }) => [
    `<code>${escapeHtml(title)}</code>`,
    view === undefined ? '<span class="soft">newest events</span>' : `<code>${escapeHtml(view)}</code>`,
  ]);
  return `<section id="family-${escapeHtml(name)}"><h2>${escapeHtml(name)}</h2>
${markdownToHtml(description)}
${rows.length === 0 ? '' : table(['usual topics', 'their view'], rows)}
${messages.map((message) => renderMessage(message, document)).join('\n')}</section>`;
}

function renderMessage(
  { name, summary, payload, examples }: AsyncApiMessage,
  document: AsyncApiDocument,
): string {
  const [current = {}, ...earlier] = versionsOf(payload, document);
  const example = examples[0]?.payload;
  const older = earlier.map((schema) => `<h4>An earlier version, still accepted</h4>${fieldsOf(schema)}`);
  return `<article class="operation" id="${escapeHtml(name)}"><h3><code>${escapeHtml(name)}</code></h3>
${markdownToHtml(summary)}
<h4>Data <span class="plain">(* required; other fields are kept)</span></h4>${fieldsOf(current)}
<h4>Example</h4><pre><code>${escapeHtml(JSON.stringify(example, null, 2))}</code></pre>
${older.join('\n')}</article>`;
}

/** The shapes of data that may stand in the log, the current one first. */
function versionsOf(payload: Schema, { components }: AsyncApiDocument): readonly Schema[] {
  const references = payload.anyOf ?? [payload];
  return references.map((reference) => components.schemas[refName(reference) ?? ''] ?? {});
}

function fieldsOf(schema: Schema): string {
  const fields = propertyTable(schema);
  return fields === '' ? `<p>${markdownToHtml(schema.description ?? 'Any JSON value.')}</p>` : fields;
}
