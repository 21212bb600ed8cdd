import { htmlDocument, type Block, type Section } from './document.js';
import { counted } from './format.js';
import { bannerLines } from './lines.js';
import { figuresOf, type RunPicture } from './run-pictures.js';
import type { EpochRow, Report } from './run.js';

/** One HTML file without links or scripts: the facts of the run, its pictures, a table of its epochs, and its result. */
export function reportPage(report: Report, pictures: readonly RunPicture[] = []): string {
  const { facts, epochs, result, machine, options } = report;
  return htmlDocument({
    title: `tensorflock: ${facts.experiment}`,
    lead: leadOf(report),
    sections: [
      ...(result === null ? [] : [{ heading: 'Result', blocks: [pairs({ ...result })] }]),
      ...pictures.map((picture): Section => ({ heading: picture.heading, blocks: figuresOf([picture]) })),
      { heading: 'Epochs', blocks: [epochTable(epochs)] },
      { heading: 'Run', blocks: [{ kind: 'code', text: bannerLines(facts).join('\n') }, ...optionalPairs(options)] },
      ...(machine === undefined ? [] : [{ heading: 'Machine', blocks: [pairs({ ...machine })] }]),
    ],
  });
}

function leadOf({ result, cutOff }: Report): string {
  if (result === null) return cutOff ?? 'The run has not ended.';
  return `Trained for ${result.steps} steps on ${counted(result.workers, 'worker')}.`;
}

function epochTable(epochs: readonly EpochRow[]): Block {
  const first = epochs[0];
  if (first === undefined) return { kind: 'paragraph', text: 'No epoch has ended.' };
  const columns = Object.keys(first).filter((field) => epochs.some((row) => row[field] !== null));
  return { kind: 'table', columns, rows: epochs.map((row) => columns.map((field) => row[field])) };
}

function optionalPairs(values: Readonly<Record<string, unknown>> | undefined): Block[] {
  return values === undefined ? [] : [pairs(values)];
}

function pairs(values: Readonly<Record<string, unknown>>): Block {
  const rows = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return { kind: 'table', columns: ['', 'value'], rows: rows.map(([name, value]) => [name, typeof value === 'number' ? value : String(value)]) };
}
