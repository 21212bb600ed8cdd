import { operate } from '../../cluster/operate.js';
import type { Operation } from './choices.js';
import type { Context } from './context.js';
import type { OperateOptions } from './options.js';
import { packageVersion } from './version.js';

const DONE: Readonly<Record<Operation, (step: string) => string>> = {
  pause: (step) => `the run is paused after step ${step}; resume lets it go on.`,
  resume: (step) => `the run goes on after step ${step}.`,
  checkpoint: (step) => `a checkpoint of step ${step} is written.`,
  stop: (step) => `the run is stopped after step ${step}.`,
};

/** `tensorflock operate <link> <command>`; resolves to the exit status. */
export async function runOperate(link: string, command: Operation, { keyFile, insecure }: OperateOptions, context: Context): Promise<number> {
  const step = await operate({ link, command, keyFile, insecure, environment: context.environment as NodeJS.ProcessEnv, softwareVersion: packageVersion() });
  context.stdout.write(`${DONE[command](step.toLocaleString('en-US'))}\n`);
  return 0;
}
