import { clusterError } from '../protocol/errors.js';
import { MAX_PLAN_BYTES } from '../protocol/limits.js';
import type { WelcomeMessage } from '../protocol/messages.js';
import type { DataWay, ManifestColumn } from '../protocol/run-description.js';
import { rowByteLength } from './columns.js';

/** Columns that the plan reads. */
export function trainedColumns(columns: readonly ManifestColumn[]): ManifestColumn[] {
  return columns.filter(({ split }) => split === 'train');
}

/**
 * What a node keeps in memory of the columns of a run: all of them, or room for the rows of a mini-batch.
 * @param address of the coordinator, for the sentence
 * @throws ERR_DATA_WAY where the rows of an assignment are more than that
 */
export function keptColumns(run: Pick<WelcomeMessage, 'columns' | 'exampleCount' | 'batchRows' | 'mode'>, way: DataWay, address: string): readonly ManifestColumn[] {
  const { columns, exampleCount, batchRows, mode } = run;
  if (way === 'columns') return columns;
  const rows = Math.min(batchRows, exampleCount);
  const kept = trainedColumns(columns).map((column) => ({ ...column, exampleCount: rows, byteLength: rows * rowByteLength(column) }));
  const size = Math.max(...kept.map(({ byteLength }) => byteLength));
  if (mode.kind === 'local') throw clusterError('ERR_DATA_WAY', { address, problem: 'in mode local a node makes steps of its own' });
  if (size > MAX_PLAN_BYTES) throw clusterError('ERR_DATA_WAY', { address, problem: `the rows of a mini-batch take ${size} bytes, and a frame has at most ${MAX_PLAN_BYTES}` });
  return kept;
}
