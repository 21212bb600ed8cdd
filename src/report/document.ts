/** What a section is made of. Texts are plain; `svg` and `mathml` are markup of our own making. */
export type Block =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'formula'; readonly mathml: string }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'table'; readonly columns: readonly string[]; readonly rows: readonly (readonly Cell[])[] }
  | { readonly kind: 'figure'; readonly svg: string; readonly caption: string };

export type Cell = string | number | null | undefined;

export interface Section {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

export interface Document {
  readonly title: string;
  /** A sentence or two under the title. */
  readonly lead: string;
  readonly sections: readonly Section[];
}

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;color:#1c1e21;background:#fff;max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{line-height:1.2}h2{margin-top:2.2rem;border-bottom:1px solid #8885}
pre{background:#8881;padding:.8rem;overflow:auto;font-size:.85rem;border-radius:4px}
figure{margin:1.2rem 0;overflow-x:auto}figcaption{font-size:.88rem;opacity:.8}
.wide{overflow-x:auto}p.wide{margin:.5rem 0;padding:.5rem 0}table{border-collapse:collapse;font-size:.92rem}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #8884;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}td.long{overflow-wrap:anywhere;min-width:12rem}math{font-size:1.15em}
@media(prefers-color-scheme:dark){body{color:#e3e5e8;background:#16181b}}`;

/** One self-contained HTML file, without scripts and links: the same document gives the same bytes. */
export function htmlDocument({ title, lead, sections }: Document): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${escapeMarkup(title)}</title><meta name="description" content="${escapeMarkup(lead)}"><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeMarkup(title)}</h1>`,
    `<p>${escapeMarkup(lead)}</p>`,
    ...sections.map(({ heading, blocks }) => `<section><h2>${escapeMarkup(heading)}</h2>\n${blocks.map(blockMarkup).join('\n')}\n</section>`),
    '</main></body></html>',
    '',
  ].join('\n');
}

/** An SVG of ours as a file of its own, which brings the colour of its text for both themes. */
export function standaloneSvg(svg: string): string {
  const style = '<style>svg{color:#1c1e21}@media(prefers-color-scheme:dark){svg{color:#e3e5e8}}</style>';
  return `<?xml version="1.0" encoding="utf-8"?>\n${svg.replace('>', `>${style}`)}\n`;
}

export function escapeMarkup(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function blockMarkup(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${escapeMarkup(block.text)}</p>`;
    case 'formula':
      return `<p class="wide">${block.mathml}</p>`;
    case 'code':
      return `<pre tabindex="0"><code>${escapeMarkup(block.text)}</code></pre>`;
    case 'table':
      return tableMarkup(block.columns, block.rows);
    case 'figure':
      return `<figure>${block.svg}<figcaption>${escapeMarkup(block.caption)}</figcaption></figure>`;
  }
}

function tableMarkup(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const head = columns.map((column) => `<th scope="col">${escapeMarkup(column)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((value) => `<td${isLong(value) ? ' class="long"' : ''}>${cellText(value)}</td>`).join('')}</tr>`);
  return `<div class="wide" tabindex="0"><table><tr>${head}</tr>\n${body.join('\n')}\n</table></div>`;
}

/** A hash and the like: broken where the page is narrow. */
function isLong(value: Cell): boolean {
  return typeof value === 'string' && value.length > 30;
}

function cellText(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number' || Number.isInteger(value)) return escapeMarkup(String(value));
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(5);
}
