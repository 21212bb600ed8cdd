import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

const GIBIBYTE = 2 ** 30;
/** Above this, somebody else computes too. */
const QUIET_LOAD = 0.5;

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** Of the last minute before the measuring. */
  readonly loadAverage: number;
}

export function machineFacts(): MachineFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / GIBIBYTE),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    loadAverage: loadavg()[0]!,
  };
}

export function formatMachine({ cpu, cores, memoryGiB, platform, node, v8, loadAverage }: MachineFacts): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${platform}, Node ${node}, V8 ${v8}, load average ${loadAverage.toFixed(2)}`;
}

/** A sentence where the numbers may be others' fault; the load average is unknown (0) on Windows. */
export function loadWarning({ loadAverage }: MachineFacts): string | undefined {
  if (loadAverage <= QUIET_LOAD) return undefined;
  return `warning: the load average is ${loadAverage.toFixed(2)} before the start; close other programs, or the numbers are not of this machine alone.`;
}
