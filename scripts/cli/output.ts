import { styleText } from 'node:util';
import type { SingleBar } from 'cli-progress';
import { bannerLines, closingLines, epochLine } from '../../src/report/lines.js';
import type { EpochRow, RunFacts, RunResult } from '../../src/report/run.js';
import type { Context, TextOutput } from './context.js';
import type { Progress } from './library.js';

/** Where a command says what happens. With `--json` only events go to standard output. */
export interface Output {
  banner(facts: RunFacts): void;
  progress(progress: Progress): void;
  epoch(row: EpochRow, epochs: number): void;
  result(result: RunResult, kept: string): void;
  /** A sentence about something on the way: a download, an interrupt. */
  notice(sentence: string): void;
  /** Takes the progress bar away; to be called before anything else writes, and at the end. */
  close(): void;
}

/** The output that `--json` and `--quiet` ask for. */
export async function openOutput(context: Context, options: { readonly json: boolean; readonly quiet: boolean }): Promise<Output> {
  if (options.json) return new JsonOutput(context);
  const drawsBar = context.stdout.isTTY === true && !options.quiet;
  return new TextLines(context, options.quiet, drawsBar ? await createBar(context.stdout) : undefined);
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

class TextLines implements Output {
  #drawn = false;

  constructor(
    private readonly context: Context,
    private readonly quiet: boolean,
    private readonly bar: SingleBar | undefined,
  ) {}

  banner(facts: RunFacts): void {
    if (this.quiet) return;
    for (const line of bannerLines(facts)) this.#line(line);
  }

  progress(progress: Progress): void {
    if (this.bar === undefined) return;
    const values = { epoch: progress.epoch, rate: Math.round(progress.examplesPerSecond).toLocaleString('en-US') };
    const done = (progress.epoch - 1) * progress.steps + progress.step;
    if (this.#drawn) this.bar.update(done, values);
    else this.bar.start(progress.epochs * progress.steps, done, values);
    this.#drawn = true;
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
    if (this.#drawn) this.bar?.stop();
    this.#drawn = false;
  }

  /** The bar stands on the last line: it goes before a line is written, and the next progress draws it again. */
  #line(text: string): void {
    this.close();
    this.context.stdout.write(`${text}\n`);
  }

  #bold(text: string): string {
    const plain = this.context.stdout.isTTY !== true || Boolean(this.context.environment['NO_COLOR']);
    return plain ? text : styleText('bold', text);
  }
}

/** Loaded only for a terminal: a pipe gets plain lines. Its time left covers the whole run. */
async function createBar(stdout: TextOutput): Promise<SingleBar> {
  const { default: progress } = await import('cli-progress');
  return new progress.SingleBar({
    stream: stdout as NodeJS.WritableStream,
    format: 'epoch {epoch}  {bar} {percentage} %  {rate} examples/s  {eta_formatted} left',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
  });
}
