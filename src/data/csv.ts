import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse, type Info } from 'csv-parse';
import { inputError, TensorflockError } from '../errors.js';
import { GrowingFloats, labelReader, numberOf, refuseNumber, type LabelReader } from './csv-cells.js';
import { createDataset, withScale, type Column, type Dataset } from './dataset.js';
import { emptyFileError, fileError } from './files.js';
import { listed, nearest, quoted } from './words.js';

export interface CsvOptions {
  /** The column to predict, or several of numbers. Words become classes in sorted order; numbers stay as they are. */
  readonly label: string | readonly string[];
  /** The input columns, in this order. Default: all that are not labels, in the file's order. */
  readonly features?: readonly string[];
  /** One character; a comma by default. */
  readonly delimiter?: string;
  /** The words for labels 0, 1, …: the label column holds these words or these numbers. */
  readonly classNames?: readonly string[];
  /** Multiplies the inputs when they are gathered. */
  readonly scale?: number;
  readonly name?: string;
}

/** Room for a row; an unclosed quote is refused here at the latest, before it swallows a large file. */
const MOST_CHARACTERS_PER_ROW = 16 * 1024 * 1024;

/**
 * A data set of a CSV file (RFC 4180 with a line of names; UTF-8, or UTF-16 with its mark) whose features are numbers: `x` [rows, features] float32,
 * `y` [rows], or [rows, labels] for several label columns. Blank lines are skipped.
 * @throws TensorflockError naming the file, and the line and column where one is at fault
 */
export async function csv(file: string, options: CsvOptions): Promise<Dataset> {
  return readCsv(() => createReadStream(file), file, options);
}

interface CsvRow {
  readonly record: string[];
  readonly info: Info;
}

/** As `csv`, from any stream of bytes, opened once the options are found good; `file` names it in errors. */
export async function readCsv(open: () => Readable, file: string, options: CsvOptions): Promise<Dataset> {
  const table = new CsvTable(file, options);
  const parser = parse({
    bom: true,
    delimiter: checkedDelimiter(options.delimiter ?? ','),
    info: true,
    max_record_size: MOST_CHARACTERS_PER_ROW,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true, // uneven rows reach the table, whose sentence names both counts
    skip_empty_lines: true,
    trim: true,
  });
  let refusal: unknown;
  const take = ({ record, info }: CsvRow): void => {
    try {
      table.add(record, info.lines);
    } catch (error) {
      refusal = error;
      throw error;
    }
  };
  try {
    await pipeline(open(), parser, async (rows: AsyncIterable<CsvRow>) => {
      for await (const row of rows) take(row);
    });
  } catch (error) {
    throw readableError(refusal ?? error, file); // a pipeline may tell instead that reading was broken off
  }
  return table.finish();
}

function checkedDelimiter(delimiter: string): string {
  if ([...delimiter].length === 1 && !'"\r\n'.includes(delimiter)) return delimiter;
  throw inputError(
    'ERR_CSV_OPTION',
    `the delimiter is ${quoted(delimiter)}; give one character other than a quote or a line's end`,
  );
}

function readableError(error: unknown, file: string): unknown {
  if (error instanceof TensorflockError) return error;
  if (error instanceof CsvError) {
    return inputError(
      'ERR_CSV_SYNTAX',
      `${quoted(file)}, line ${error['lines']}, is not readable as CSV (${error.code}); mend the quotes of that line`,
      { cause: error },
    );
  }
  return error instanceof Error ? fileError(file, error) : error;
}

/** Takes the rows of a file one by one, the header first, and keeps only the columns asked for. */
class CsvTable {
  readonly #file: string;
  readonly #options: CsvOptions;
  readonly #labelNames: readonly string[];
  #header: readonly string[] | undefined;
  #featureIndices: readonly number[] = [];
  #labelIndices: readonly number[] = [];
  #labels: LabelReader[] = [];
  readonly #features = new GrowingFloats();
  #rowCount = 0;

  constructor(file: string, options: CsvOptions) {
    this.#file = file;
    this.#options = options;
    this.#labelNames = typeof options.label === 'string' ? [options.label] : options.label;
  }

  add(cells: readonly string[], line: number): void {
    if (this.#header) this.#addRow(this.#header, cells, line);
    else this.#readHeader(cells);
  }

  finish(): Dataset {
    if (!this.#header) throw emptyFileError(this.#file);
    if (this.#rowCount === 0) {
      throw inputError('ERR_CSV_ROW', `${quoted(this.#file)} has a header line and no rows; give at least one row`);
    }
    const x: Column = { values: this.#features.finish(), shape: [this.#rowCount, this.#featureIndices.length] };
    const { column, classNames } = this.#labelColumn();
    const name = this.#options.name ?? basename(this.#file);
    return createDataset(name, [withScale(x, this.#options.scale)], [column], classNames);
  }

  #readHeader(header: readonly string[]): void {
    if (this.#labelNames.length === 0) throw inputError('ERR_CSV_OPTION', 'the list of label columns is empty; name at least one');
    this.#labelIndices = this.#labelNames.map((name) => this.#indexOf(name, header));
    const features = this.#options.features ?? header.filter((name) => !this.#labelNames.includes(name));
    const shared = features.find((name) => this.#labelNames.includes(name));
    if (shared !== undefined) {
      throw inputError('ERR_CSV_OPTION', `the column ${quoted(shared)} is both a feature and a label; take it out of one of them`);
    }
    if (features.length === 0) {
      throw inputError(
        'ERR_CSV_COLUMN',
        `${quoted(this.#file)} has no feature columns beside ${listed(this.#labelNames)}; its columns are ${listed(header)}`,
      );
    }
    this.#featureIndices = features.map((name) => this.#indexOf(name, header));
    this.#header = header;
  }

  #indexOf(name: string, header: readonly string[]): number {
    const index = header.indexOf(name);
    if (index < 0) {
      throw inputError(
        'ERR_CSV_COLUMN',
        `${quoted(this.#file)} has no column ${quoted(name)}, the nearest is ${quoted(nearest(name, header) ?? '')}; ` +
          `its columns are ${listed(header)}${header.length === 1 ? ', so check the delimiter too' : ''}`,
      );
    }
    if (header.indexOf(name, index + 1) < 0) return index;
    throw inputError(
      'ERR_CSV_COLUMN',
      `${quoted(this.#file)} has two columns ${quoted(name)}; give each column a name of its own`,
    );
  }

  #addRow(header: readonly string[], cells: readonly string[], line: number): void {
    if (cells.length !== header.length) {
      throw inputError(
        'ERR_CSV_ROW',
        `${quoted(this.#file)}, line ${line}: the row has ${cells.length} fields, the header ${header.length}; make them agree`,
      );
    }
    const place = (index: number) => ({ file: this.#file, line, column: header[index]! });
    for (const index of this.#featureIndices) {
      const value = numberOf(cells[index]!);
      this.#features.push(Number.isNaN(value) ? refuseNumber(cells[index]!, place(index)) : value);
    }
    this.#labelIndices.forEach((index, position) => {
      const reader = (this.#labels[position] ??= labelReader(cells[index]!, this.#options.classNames));
      reader.add(cells[index]!, place(index));
    });
    this.#rowCount += 1;
  }

  #labelColumn(): { column: Column; classNames: readonly string[] | undefined } {
    const labels = this.#labels.map((reader) => reader.finish());
    const [first] = labels;
    if (labels.length === 1 && first) {
      return { column: { values: first.values, shape: [this.#rowCount] }, classNames: first.classNames };
    }
    const words = labels.findIndex((label) => label.classNames);
    if (words >= 0) {
      throw inputError(
        'ERR_CSV_COLUMN',
        `the label column ${quoted(this.#labelNames[words]!)} of ${quoted(this.#file)} holds classes; ` +
          'make it the only label, or give several of numbers',
      );
    }
    return { column: interleaved(labels.map((label) => label.values), this.#rowCount), classNames: undefined };
  }
}

/** Columns side by side: [rows, columns], row-major. */
function interleaved(columns: readonly ArrayLike<number>[], rowCount: number): Column {
  const values = new Float32Array(rowCount * columns.length);
  columns.forEach((column, position) => {
    for (let row = 0; row < rowCount; row++) values[row * columns.length + position] = column[row]!;
  });
  return { values, shape: [rowCount, columns.length] };
}
