import type { Logs } from './fit.js';

/** tfjs says `acc` where a model was compiled with 'accuracy'; Keras, and we beside it, `accuracy`. */
export function withAliases(logs: Logs): Logs {
  const aliases = Object.entries(logs).filter(([name]) => /(^|_)acc$/.test(name)).map(([name, value]) => [`${name}uracy`, value] as const);
  return { ...logs, ...Object.fromEntries(aliases) };
}
