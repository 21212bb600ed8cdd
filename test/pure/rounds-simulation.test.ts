import fc from 'fast-check';
import { expect, test } from 'vitest';
import { replay } from '../../cluster/rounds/replay.js';
import { runs } from './properties.js';
import { bitsOf, trainAlone } from './rounds-arithmetic.js';
import { simulate, type SimulationOptions } from './rounds-simulator.js';

const LOCAL = { kind: 'local', speed: 20_000, latencyMs: 0 } as const;

test('plain', () => {
  const options: SimulationOptions = { seed: 1, steps: 50, examples: 250, shardExamples: 16, nodes: [LOCAL, { kind: 'node', speed: 30_000, latencyMs: 1 }] };
  const { parameters, finished, records, actions } = simulate(options);
  console.log(actions, replay(records));
  expect(finished).toBe(true);
  expect(bitsOf(parameters)).toBe(bitsOf(trainAlone(50, 250, 16)));
  expect(replay(records).problems).toEqual([]);
});
