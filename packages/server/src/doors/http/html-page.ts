import { createHash } from 'node:crypto';

/** Our pages are text and this style: nothing is loaded, nothing runs. */
const STYLE = `
:root{color-scheme:light dark;--bg:light-dark(#fff,#0f1215);--fg:light-dark(#1a2026,#e4e9ee);--soft:light-dark(#5a6672,#94a1ae);
--line:light-dark(#e0e5ea,#262d34);--panel:light-dark(#f6f8fa,#161b20);--accent:light-dark(#0a66c2,#6cb6ff);
--get:light-dark(#0b6e4f,#57d9a3);--post:light-dark(#8a5a00,#f0b849);--delete:light-dark(#b3261e,#ff8a80)}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.6 system-ui,sans-serif}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875em}
code{background:var(--panel);border-radius:4px;padding:.1em .3em;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;white-space:pre-wrap;line-height:1.5}
pre code{background:none;padding:0}
h1,h2,h3,h4{line-height:1.25;margin:0 0 .6rem}
h2{margin-top:3rem;font-size:1.5rem}
h4{margin:1.4rem 0 .5rem;color:var(--soft);font-size:.75rem;letter-spacing:.06em;text-transform:uppercase}
p{margin:.5rem 0}
.page{display:grid;grid-template-columns:17rem minmax(0,54rem);gap:3rem;max-width:80rem;margin:0 auto;padding:2rem 1.5rem}
nav{position:sticky;top:1rem;align-self:start;max-height:calc(100vh - 2rem);overflow-y:auto;font-size:.875rem}
nav ul{list-style:none;margin:.3rem 0 1.2rem;padding:0}
nav li{margin:.35rem 0;line-height:1.35}
nav strong{color:var(--soft);font-size:.75rem;letter-spacing:.06em;text-transform:uppercase}
.operation{border-top:1px solid var(--line);margin-top:2rem;padding-top:1.6rem}
.route{display:flex;gap:.7rem;align-items:baseline;flex-wrap:wrap;margin:.2rem 0 .8rem}
.route code{background:none;font-size:1rem;padding:0}
.method{font:600 .75rem/1 ui-monospace,monospace;border:1px solid currentColor;border-radius:4px;padding:.25rem .4rem}
.get{color:var(--get)}.post{color:var(--post)}.delete{color:var(--delete)}
.plain{font-weight:400;text-transform:none;letter-spacing:0}
.soft{color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{border-bottom:1px solid var(--line);padding:.5rem .8rem .5rem 0;text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:500}
td p{margin:0}
td:first-child{white-space:nowrap}
td ul{margin:.2rem 0;padding-left:1.1rem}
.notice{max-width:38rem;margin:15vh auto;padding:0 1.5rem}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem}
@media(max-width:60rem){.page{display:block}nav{position:static;max-height:11rem;margin-bottom:2rem;border:1px solid var(--line);border-radius:8px;padding:0 1rem}}
@media(max-width:40rem){td:first-child{white-space:normal;min-width:7.5rem}}
@media print{nav{display:none}.page{display:block}}
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export interface HtmlPage {
  readonly html: string;
  /** The `Content-Security-Policy` that it is to be served with. */
  readonly policy: string;
}

/** Makes a page of our own. `title` and `body` are HTML. */
export function htmlPage({ title, body }: { readonly title: string; readonly body: string }): HtmlPage {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
  return { html, policy: POLICY };
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** The little of Markdown that our descriptions use: paragraphs, lists, and code between backticks. */
export function markdownToHtml(text: string): string {
  const blocks = text.trim().split(/\n\n+/);
  return blocks.map((block) => (block.startsWith('- ') ? list(block) : `<p>${inline(block)}</p>`)).join('\n');
}

function list(block: string): string {
  const items = block.split(/\n(?=- )/).map((item) => `<li>${inline(item.slice(2))}</li>`);
  return `<ul>${items.join('')}</ul>`;
}

function inline(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}
