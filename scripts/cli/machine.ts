import { arch, cpus, platform, totalmem } from 'node:os';
import type { MachineFacts } from '../../src/report/run.js';
import { packageVersion } from './version.js';

/** Where a run was made and with what. */
export function machineFacts(): MachineFacts {
  const cores = cpus();
  return {
    tensorflock: packageVersion(),
    node: process.versions.node,
    engine: `V8 ${process.versions.v8}`,
    system: `${platform()} ${arch()}`,
    processor: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}
