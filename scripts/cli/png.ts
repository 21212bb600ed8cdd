import { convertIndexedToRgb, decode, type DecodedPng } from 'fast-png';
import type { Column } from '../../src/data/dataset.js';
import { quoted } from '../../src/data/words.js';
import { inputError } from '../../src/errors.js';

/**
 * A picture as one example [1, height, width] of grey bytes, 0 black to 255 white. Colours become their luma (ITU-R BT.601:
 * 0.299 R + 0.587 G + 0.114 B); what is transparent lies on black.
 * @throws ERR_PNG naming the file where it cannot be decoded
 */
export function greyOfPng(bytes: Uint8Array, file: string): Column {
  const { data, width, height, channels, most } = samplesOf(bytes, file);
  const values = Uint8Array.from({ length: width * height }, (_, pixel) => {
    const sample = (channel: number): number => data[pixel * channels + channel]! / most;
    const grey = channels < 3 ? sample(0) : 0.299 * sample(0) + 0.587 * sample(1) + 0.114 * sample(2);
    const opacity = channels === 2 || channels === 4 ? sample(channels - 1) : 1;
    return Math.round(255 * grey * opacity);
  });
  return { values, shape: [1, height, width] };
}

interface Samples {
  readonly data: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** White. */
  readonly most: number;
}

function samplesOf(bytes: Uint8Array, file: string): Samples {
  let png: DecodedPng;
  try {
    png = decode(bytes);
  } catch (error) {
    throw inputError('ERR_PNG', `${quoted(file)} is not readable as PNG (${withoutEnd((error as Error).message)}); save it anew.`, { cause: error });
  }
  const { width, height, palette, depth } = png;
  if (palette !== undefined) return { data: convertIndexedToRgb(png), width, height, channels: palette[0]!.length, most: 255 };
  if (depth < 8) return { data: unpacked(png), width, height, channels: 1, most: 2 ** depth - 1 };
  return { data: png.data, width, height, channels: png.channels, most: 2 ** depth - 1 };
}

/** Grey of 1, 2 or 4 bits comes several pixels a byte, each row beginning with a byte of its own. */
function unpacked({ data, width, height, depth }: DecodedPng): number[] {
  const rowBytes = Math.ceil((width * depth) / 8);
  return Array.from({ length: width * height }, (_, pixel) => {
    const bit = (pixel % width) * depth;
    const byte = data[Math.floor(pixel / width) * rowBytes + (bit >> 3)]!;
    return (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
  });
}

/** Some messages of the decoder break off with a colon. */
function withoutEnd(message: string): string {
  return message.replace(/[\s:.]+$/, '');
}
