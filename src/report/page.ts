import { bannerLines } from './lines.js';
import type { EpochRow, Report } from './run.js';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{background:#8881;padding:1rem;overflow:auto}table{border-collapse:collapse}
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #8884;font-variant-numeric:tabular-nums}`;

/** One HTML file without links or scripts: the facts of the run, a table of its epochs, and its result. */
export function reportPage(report: Report): string {
  const title = escapeHtml(`tensorflock: ${report.facts.experiment}`);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${title}</title><style>${STYLE}</style></head><body>`,
    `<h1>${title}</h1>`,
    `<pre>${escapeHtml(bannerLines(report.facts).join('\n'))}</pre>`,
    epochTable(report.epochs),
    report.result === null ? '<p>The run has not ended.</p>' : resultTable({ ...report.result }),
    '</body></html>',
    '',
  ].join('\n');
}

function epochTable(epochs: readonly EpochRow[]): string {
  const first = epochs[0];
  if (first === undefined) return '<p>No epoch has ended.</p>';
  const fields = Object.keys(first).filter((field) => epochs.some((row) => row[field] !== null));
  const rows = epochs.map((row) => `<tr>${fields.map((field) => `<td>${cell(row[field])}</td>`).join('')}</tr>`);
  return `<table><tr>${fields.map((field) => `<th>${escapeHtml(field)}</th>`).join('')}</tr>\n${rows.join('\n')}\n</table>`;
}

function resultTable(result: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(result).map(([field, value]) => `<tr><th>${escapeHtml(field)}</th><td>${cell(value)}</td></tr>`);
  return `<h2>Result</h2>\n<table>\n${rows.join('\n')}\n</table>`;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number' || Number.isInteger(value)) return escapeHtml(String(value));
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(5);
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
