import { parse } from 'csv-parse/sync';
import { GrowingFloats, numberOf, refuseNumber } from '../../src/data/csv-cells.js';
import type { Column } from '../../src/data/dataset.js';
import { readDecodedFile } from '../../src/data/files.js';
import { decodeIdx } from '../../src/data/idx.js';
import { quoted } from '../../src/data/words.js';
import { inputError } from '../../src/errors.js';

interface Line {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/**
 * Examples without targets: an IDX file, plain or gzip, a PNG picture, or a CSV file of numbers, with or without a line of names.
 * @throws TensorflockError naming the file, and the line and column where one is at fault
 */
export async function readRows(file: string): Promise<Column> {
  const bytes = await readDecodedFile(file);
  // IDX begins with two zero bytes, which no text does.
  if (bytes[0] === 0 && bytes[1] === 0) return decodeIdx(bytes, file);
  if (isPng(bytes)) return (await import('./png.js')).greyOfPng(bytes, file);
  // A zero byte is in no text, and in pictures of every other format.
  if (bytes.includes(0)) throw inputError('ERR_CSV_SYNTAX', `${quoted(file)} is neither a PNG picture, an IDX file nor CSV text; save a picture as PNG.`);
  return csvRows(new TextDecoder().decode(bytes), file);
}

function isPng(bytes: Uint8Array): boolean {
  return bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
}

function csvRows(text: string, file: string): Column {
  const lines = parseLines(text, file);
  const header = lines[0]?.record.every((cell) => Number.isNaN(numberOf(cell))) ? lines.shift()?.record : undefined;
  const first = lines[0];
  if (first === undefined) throw inputError('ERR_CSV_ROW', `${quoted(file)} has no rows of numbers; give at least one.`);
  const width = first.record.length;
  const values = new GrowingFloats();
  for (const { record, info } of lines) {
    if (record.length !== width) {
      throw inputError('ERR_CSV_ROW', `${quoted(file)}, line ${info.lines}: the row has ${record.length} fields where the first has ${width}; make them agree.`);
    }
    record.forEach((cell, index) => {
      const value = numberOf(cell);
      if (Number.isNaN(value)) refuseNumber(cell, { file, line: info.lines, column: header?.[index] ?? String(index + 1) });
      values.push(value);
    });
  }
  return { values: values.finish(), shape: [lines.length, width] };
}

function parseLines(text: string, file: string): Line[] {
  try {
    return parse(text, { bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true }) as unknown as Line[];
  } catch (error) {
    throw inputError('ERR_CSV_SYNTAX', `${quoted(file)} is not readable as CSV (${(error as Error).message}); mend the quotes of that line.`, { cause: error });
  }
}
