import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The checkout: compiled tests run from dist/test/docs. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export const README = read('README.md');

export function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
}

export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** Line of the document that its code begins on, from 1. */
  readonly line: number;
}

/** The fenced blocks of a language, in order. */
export function codeBlocks(markdown: string, language: string): CodeBlock[] {
  return [...markdown.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .map((match) => ({ language: match[1]!, code: match[2]!, line: markdown.slice(0, match.index).split('\n').length + 1 }))
    .filter((block) => block.language === language);
}

/** The words of a list such as "- **Layers:** Dense, Flatten." up to its first full stop or semicolon. */
export function listAfter(markdown: string, heading: string): string[] {
  const start = markdown.indexOf(`**${heading}:**`);
  if (start < 0) throw new Error(`the document has no "${heading}"`);
  const [list] = markdown.slice(start + heading.length + 5).split(/[.;]| and other/);
  return list!.split(',').map((word) => word.trim());
}
