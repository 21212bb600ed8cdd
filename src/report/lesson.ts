import type { DatasetSplit } from '../data/dataset.js';
import { htmlDocument, standaloneSvg, type Block, type Section } from './document.js';
import { drawPlot, type Plot } from './plots.js';

/** What a lesson is given. */
export interface LessonContext {
  /** Draws data, weights, shuffles and masks. */
  readonly seed: number;
  /** A tenth of the work, for a first look and for tests; the finding has to hold all the same. */
  readonly quick: boolean;
  /** The images that `--dataset` names, Fashion-MNIST unless told otherwise; loaded when first asked for. */
  readonly images: () => Promise<DatasetSplit>;
}

/** What a lesson's page is made of: as the blocks of a document, with formulas in LaTeX and plots as their data. */
export type LessonBlock =
  | Extract<Block, { readonly kind: 'paragraph' | 'table' | 'code' }>
  | { readonly kind: 'formula'; readonly latex: string }
  | { readonly kind: 'plot'; readonly file: string; readonly title: string; readonly x: string; readonly y: string; readonly caption: string; readonly plot: Plot };

export interface LessonSection {
  readonly heading: string;
  readonly blocks: readonly LessonBlock[];
}

/** What came out of a lesson. */
export interface Findings {
  /** The numbers that the lines are made of, by name: for tests and `--json`. */
  readonly figures: Readonly<Record<string, Figure>>;
  /** The finding in a few lines. */
  readonly lines: readonly string[];
  readonly sections: readonly LessonSection[];
}

export type Figure = number | string | boolean | readonly (number | string)[];

export type Lesson = (context: LessonContext) => Promise<Findings>;

/** What the page says of the lesson itself. */
export interface LessonFacts {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Options, machine and versions. */
  readonly run: Readonly<Record<string, string | number | boolean>>;
  /** The files that made it: the lesson's own first. */
  readonly sources: readonly { readonly name: string; readonly text: string }[];
}

/** The files of a lesson's folder, by name: `lesson.json`, by which the folder is known and which so is to be written first, `index.html`, and an SVG for each plot. */
export async function lessonFiles(facts: LessonFacts, findings: Findings): Promise<Map<string, string>> {
  const drawn = new Map<LessonBlock, string>();
  for (const block of blocksOf(findings)) if (block.kind === 'plot') drawn.set(block, await drawPlot(block.plot, { ...block, description: block.caption }));
  const files = new Map([['lesson.json', lessonJson(facts, findings)], ['index.html', await lessonPage(facts, findings, drawn)]]);
  for (const [block, svg] of drawn) if (block.kind === 'plot') files.set(`${block.file}.svg`, standaloneSvg(svg));
  return files;
}

async function lessonPage(facts: LessonFacts, { lines, sections }: Findings, drawn: ReadonlyMap<LessonBlock, string>): Promise<string> {
  const { default: temml } = await import('temml');
  const toBlock = (block: LessonBlock): Block => {
    if (block.kind === 'formula') return { kind: 'formula', mathml: temml.renderToString(block.latex, { displayMode: true, throwOnError: true }) };
    return block.kind === 'plot' ? { kind: 'figure', svg: drawn.get(block)!, caption: block.caption } : block;
  };
  return htmlDocument({
    title: facts.title,
    lead: facts.about,
    sections: [
      { heading: 'The finding', blocks: lines.map((text) => ({ kind: 'paragraph', text })) },
      ...sections.map(({ heading, blocks }): Section => ({ heading, blocks: blocks.map(toBlock) })),
      ...facts.sources.map(({ name, text }): Section => ({ heading: `The code: ${name}`, blocks: [{ kind: 'code', text: text.trimEnd() }] })),
      { heading: 'The run', blocks: [{ kind: 'table', columns: ['', 'value'], rows: Object.entries(facts.run).map(([name, value]) => [name, typeof value === 'boolean' ? String(value) : value]) }] },
    ],
  });
}

/** The figures, and the data of every plot by the name of its file; pixels are left out, the pictures hold them. */
function lessonJson({ name, run }: LessonFacts, findings: Findings): string {
  const plots = blocksOf(findings).flatMap((block) => (block.kind === 'plot' ? [[block.file, withoutPixels(block.plot)] as const] : []));
  return `${JSON.stringify({ lesson: name, run, figures: findings.figures, plots: Object.fromEntries(plots) }, null, 1)}\n`;
}

function blocksOf({ sections }: Findings): LessonBlock[] {
  return sections.flatMap(({ blocks }) => blocks);
}

function withoutPixels(plot: Plot): object {
  if (plot.kind !== 'pictures') return plot;
  return { ...plot, pictures: plot.pictures.map(({ caption, wrong = false }) => ({ caption, wrong })) };
}
