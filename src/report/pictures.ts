import { escapeMarkup } from './document.js';

/** A grey picture, row by row, 0 black to 255 white. */
export interface Picture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly caption: string;
  /** Framed and crossed in red, such as a wrong prediction. */
  readonly wrong?: boolean;
}

const CELL = 136;
const SIDE = 96;
const LINE = 14;

/** Pictures in rows of `columns` as one SVG, pixels kept crisp; captions may have two lines (`\n`). */
export async function imageGrid(pictures: readonly Picture[], columns: number, description: string): Promise<string> {
  const { encode } = await import('fast-png');
  const cellHeight = SIDE + 2 * LINE + 14;
  const cells = pictures.map(({ pixels, width, height, caption, wrong = false }, index) => {
    const x = (index % columns) * CELL + (CELL - SIDE) / 2;
    const y = Math.floor(index / columns) * cellHeight + 4;
    const png = Buffer.from(encode({ data: pixels, width, height, channels: 1, depth: 8 })).toString('base64');
    const lines = caption.split('\n').map((line, row) => `<text x="${x + SIDE / 2}" y="${y + SIDE + LINE * (row + 1)}">${escapeMarkup(line)}</text>`);
    const image = `<image x="${x}" y="${y}" width="${SIDE}" height="${SIDE}" preserveAspectRatio="xMidYMid" style="image-rendering:pixelated" href="data:image/png;base64,${png}"/>`;
    const frame = `<rect x="${x}" y="${y}" width="${SIDE}" height="${SIDE}" fill="none" stroke="${wrong ? '#d1495b' : '#8888'}" stroke-width="${wrong ? 3 : 1}"/>`;
    const cross = wrong ? `<text x="${x + SIDE - 9}" y="${y + 15}" fill="#d1495b" font-weight="bold">✗</text>` : '';
    return `<g>${image}${frame}${cross}${lines.join('')}</g>`;
  });
  const [width, height] = [Math.min(columns, pictures.length) * CELL, Math.ceil(pictures.length / columns) * cellHeight];
  return [
    `<svg role="img" aria-label="${escapeMarkup(description)}" style="max-width:100%;height:auto" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<g font-family="system-ui, sans-serif" font-size="11" text-anchor="middle" fill="currentColor">${cells.join('')}</g></svg>`,
  ].join('');
}

const NUMBER_CELL = 22;
/** Above it black is easier to read than white. */
const BRIGHT = 117;

/** A matrix of bytes as a picture: each cell is as grey as its number, 0 black to 255 white, and the number stands in it. */
export function numberGrid(rows: readonly (readonly number[])[], description: string): string {
  const cells = rows.flatMap((row, j) =>
    row.map((value, i) => {
      const [x, y] = [i * NUMBER_CELL, j * NUMBER_CELL];
      const ink = value > BRIGHT ? '#000' : value === 0 ? '#777' : '#fff';
      return `<rect x="${x}" y="${y}" width="${NUMBER_CELL}" height="${NUMBER_CELL}" fill="rgb(${value},${value},${value})"/><text x="${x + NUMBER_CELL / 2}" y="${y + 14}" fill="${ink}">${value}</text>`;
    }),
  );
  const [width, height] = [(rows[0]?.length ?? 0) * NUMBER_CELL, rows.length * NUMBER_CELL];
  return [
    `<svg role="img" aria-label="${escapeMarkup(description)}" style="max-width:100%;height:auto" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<g font-family="system-ui, sans-serif" font-size="9" text-anchor="middle">${cells.join('')}</g></svg>`,
  ].join('');
}
