import { counted, duration, metricValue, wholeNumber } from './format.js';
import type { EpochRow, LayerFacts, RunFacts, RunResult } from './run.js';

const LABEL_WIDTH = 11;

/** What is printed before the first step: everything the result depends on, and who computes it. */
export function bannerLines(facts: RunFacts): string[] {
  const flags = facts.engineFlags.length === 0 ? 'no engine flags' : `engine flags ${facts.engineFlags.join(' ')}`;
  const shards = facts.shardSize === null ? '' : ` in shards of ${wholeNumber(facts.shardSize)}`;
  const tested = facts.testExamples === 0 ? '' : ` and ${wholeNumber(facts.testExamples)} test`;
  const rows: [string, string][] = [
    ['experiment', `${facts.experiment}, ${wholeNumber(facts.trainExamples)} training${tested} examples`],
    ['model', modelLine(facts.layers)],
    ['optimizer', facts.optimizer],
    ['batch', `${counted(facts.batchSize, 'example')}${shards}, ${counted(facts.epochs, 'epoch')}, seed ${facts.seed}`],
    ...(facts.exact ? [] : [['mode', `${facts.mode}; exact: false`] as [string, string]]),
    ['workers', `${wholeNumber(facts.workers)}, ${facts.arithmetic} arithmetic, tile ${facts.tile}, ${flags}`],
    ...facts.notes.map((note): [string, string] => ['note', note]),
  ];
  return rows.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${text}`);
}

/** `epoch 3/10  loss 0.412  accuracy 0.853  val loss 0.437  val accuracy 0.845  131,000 examples/s  0.5 s` */
export function epochLine(row: EpochRow, epochs: number): string {
  const { epoch, examplesPerSecond, seconds, ...metrics } = row;
  const parts = Object.entries(metrics).flatMap(([field, value]) => (value === null ? [] : [`${spoken(field)} ${metricValue(value)}`]));
  if (examplesPerSecond !== null) parts.push(`${wholeNumber(roundSpeed(examplesPerSecond))} examples/s`);
  if (seconds !== null) parts.push(duration(seconds));
  return [`epoch ${epoch}/${epochs}`, ...parts].join('  ');
}

/** The last lines of a run. `kept` says where its report and checkpoint are, or that nothing was kept. */
export function closingLines(result: RunResult, kept: string): string[] {
  const speed = result.examplesPerSecond === null ? '' : ` at ${wholeNumber(roundSpeed(result.examplesPerSecond))} examples/s`;
  const scores = [
    ...(result.testAccuracy === null ? [] : [`test accuracy ${result.testAccuracy.toFixed(4)}`]),
    ...(result.testLoss === null ? [] : [`test loss ${result.testLoss.toFixed(4)}`]),
  ];
  return [
    `${counted(result.steps, 'step')} in ${duration(result.seconds)}${speed}, weights ${result.weightsSha256.slice(0, 12)}`,
    [...scores, kept].join(', '),
  ];
}

function modelLine(layers: readonly LayerFacts[]): string {
  const total = layers.reduce((sum, layer) => sum + layer.parameters, 0);
  const chain = layers.map((layer) => `${layer.kind} ${layer.outputShape.join('x')}`).join(', ');
  return `${chain}; ${counted(total, 'parameter')}`;
}

/** A measured speed has no more than three digits worth reading. */
function roundSpeed(examplesPerSecond: number): number {
  return Number(examplesPerSecond.toPrecision(3));
}

/** `valAccuracy` -> `val accuracy` */
function spoken(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
