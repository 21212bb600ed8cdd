// A small histogram, and its numbers.
import type { ValueCounts } from '../../src/report/network-health.js';
import { svgElement } from './dom.js';
import { brief } from './phrases.js';

const WIDTH = 120;
const HEIGHT = 40;

/** Bars as high as their part of the tallest. */
export function histogramPicture(histogram: ValueCounts, label: string): SVGSVGElement {
  const { counts } = histogram;
  const picture = svgElement('svg', { class: 'histogram', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${label}: ${histogramSentence(histogram)}` });
  const tallest = Math.max(1, ...counts);
  const width = WIDTH / counts.length;
  picture.append(...counts.map((count, index) => {
    const height = (HEIGHT * count) / tallest;
    return svgElement('rect', { x: (index * width).toFixed(2), y: (HEIGHT - height).toFixed(2), width: (0.9 * width).toFixed(2), height: height.toFixed(2) });
  }));
  return picture;
}

export function histogramSentence({ from, to, counts }: ValueCounts): string {
  const tallest = counts.indexOf(Math.max(...counts));
  const [low, high] = binOf({ from, to, counts }, tallest);
  return `from ${brief(from)} to ${brief(to)}, most between ${brief(low)} and ${brief(high)}`;
}

/** Where a bin begins and ends. */
export function binOf({ from, to, counts }: ValueCounts, index: number): readonly [low: number, high: number] {
  const width = (to - from) / counts.length;
  return [from + index * width, from + (index + 1) * width];
}
