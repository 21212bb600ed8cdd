import { styleText } from 'node:util';
import type { SingleBar } from 'cli-progress';
import { bannerLines, closingLines, epochLine } from '../../src/report/lines.js';
import type { EpochRow, RunFacts, RunResult } from '../../src/report/run.js';
import type { Context, TextOutput } from './context.js';
import type { DataListener, Progress } from './library.js';
import type { DownloadProgress } from '../../src/data/download.js';

/** Where a command says what happens. With `--json` only events go to standard output. */
export interface Output extends Required<DataListener> {
  banner(facts: RunFacts): void;
  progress(progress: Progress): void;
  epoch(row: EpochRow, epochs: number): void;
  result(result: RunResult, kept: string): void;
  /** Takes the progress bar away; to be called before anything else writes, and at the end. */
  close(): void;
}

/** The output that `--json` and `--quiet` ask for. */
export async function openOutput(context: Context, options: { readonly json: boolean; readonly quiet: boolean }): Promise<Output> {
  if (options.json) return new JsonOutput(context);
  const drawsBar = context.stdout.isTTY === true && !options.quiet;
  return new TextLines(context, options.quiet, drawsBar ? await createBars(context.stdout) : undefined);
}

export function writeJsonLine(output: TextOutput, event: Readonly<Record<string, unknown>>): void {
  output.write(`${JSON.stringify(event)}\n`);
}

class JsonOutput implements Output {
  constructor(private readonly context: Context) {}

  banner(facts: RunFacts): void {
    for (const note of facts.notes) this.notice(note);
  }

  progress(): void {}

  download(): void {}

  epoch(row: EpochRow): void {
    writeJsonLine(this.context.stdout, { event: 'epoch', ...row });
  }

  result(result: RunResult): void {
    writeJsonLine(this.context.stdout, { event: 'result', ...result });
  }

  notice(sentence: string): void {
    this.context.stderr.write(`${sentence}\n`);
  }

  close(): void {}
}

/** One of them is drawn at a time. */
interface Bars {
  readonly training: SingleBar;
  readonly download: SingleBar;
}

class TextLines implements Output {
  #drawn: SingleBar | undefined;

  constructor(
    private readonly context: Context,
    private readonly quiet: boolean,
    private readonly bars: Bars | undefined,
  ) {}

  banner(facts: RunFacts): void {
    if (this.quiet) return;
    for (const line of bannerLines(facts)) this.#line(line);
  }

  progress({ epoch, epochs, step, steps, examplesPerSecond }: Progress): void {
    const values = { epoch, rate: Math.round(examplesPerSecond).toLocaleString('en-US') };
    this.#draw(this.bars?.training, (epoch - 1) * steps + step, epochs * steps, values);
  }

  /** A server need not say how long a file is: then there is no bar to fill. */
  download({ file, receivedBytes, totalBytes }: DownloadProgress): void {
    if (totalBytes === undefined) return;
    this.#draw(this.bars?.download, receivedBytes, totalBytes, { file, megabytes: (receivedBytes / 1e6).toFixed(1) });
    if (receivedBytes >= totalBytes) this.close();
  }

  epoch(row: EpochRow, epochs: number): void {
    if (!this.quiet) this.#line(epochLine(row, epochs));
  }

  result(result: RunResult, kept: string): void {
    const lines = closingLines(result, kept);
    if (!this.quiet) lines.slice(0, -1).forEach((line) => this.#line(line));
    this.#line(this.#bold(lines.at(-1) ?? ''));
  }

  notice(sentence: string): void {
    this.#line(sentence);
  }

  close(): void {
    this.#drawn?.stop();
    this.#drawn = undefined;
  }

  #draw(bar: SingleBar | undefined, done: number, total: number, values: object): void {
    if (bar === undefined) return;
    if (this.#drawn === bar) {
      bar.update(done, values);
      return;
    }
    this.close();
    bar.start(total, done, values);
    this.#drawn = bar;
  }

  /** The bar stands on the last line: it goes before a line is written, and the next progress draws it again. */
  #line(text: string): void {
    this.close();
    this.context.stdout.write(`${text}\n`);
  }

  #bold(text: string): string {
    const plain = this.context.stdout.isTTY !== true || Boolean(this.context.environment['NO_COLOR']);
    return plain ? text : styleText('bold', text, { validateStream: false }); // which would ask this process's own output
  }
}

/** Loaded only for a terminal: a pipe gets plain lines. The time left covers the whole run, or the file. */
async function createBars(stdout: TextOutput): Promise<Bars> {
  const { default: progress } = await import('cli-progress');
  const look = {
    stream: stdout as NodeJS.WritableStream,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  };
  return {
    training: new progress.SingleBar({ ...look, format: 'epoch {epoch}  {bar} {percentage} %  {rate} examples/s  {eta_formatted} left' }),
    download: new progress.SingleBar({ ...look, format: '{file}  {bar} {percentage} %  {megabytes} MB  {eta_formatted} left' }),
  };
}
