import { describe, expect, test } from 'vitest';
import { optimizers, schedules, type Optimizer, type Schedule } from '../../src/optimizers/index.js';
import { Arena, ARITHMETICS } from './arena.js';
import { Updating } from './updating.js';

/** A function by its gradient, where to start and where its minimum is. */
interface Landscape {
  readonly gradient: (p: Float32Array) => number[];
  readonly start: readonly number[];
  readonly minimum: readonly number[];
}

/** (x - 1)^2 + 4 (y + 2)^2 + (z - 3)^2. */
const PARABOLA: Landscape = {
  gradient: ([x, y, z]) => [2 * (x! - 1), 8 * (y! + 2), 2 * (z! - 3)],
  start: [0, 0, 0],
  minimum: [1, -2, 3],
};

/** (1 - x)^2 + 100 (y - x^2)^2. */
const ROSENBROCK: Landscape = {
  gradient: ([x, y]) => [-2 * (1 - x!) - 400 * x! * (y! - x! * x!), 200 * (y! - x! * x!)],
  start: [-1, 1],
  minimum: [1, 1],
};

const fading = (rate: number, steps: number): Schedule => schedules.cosine({ rate, steps });

/** Name, steps and optimizer; those whose steps keep their size near the minimum have a fading rate. */
type Row = readonly [name: string, steps: number, optimizer: Optimizer];

const ON_PARABOLA: readonly Row[] = [
  ['sgd', 200, optimizers.sgd({ learningRate: 0.1 })],
  ['momentum', 300, optimizers.momentum({ learningRate: 0.02 })],
  ['nesterov', 300, optimizers.nesterov({ learningRate: 0.02 })],
  ['adagrad', 500, optimizers.adagrad({ learningRate: 1 })],
  ['rmsprop', 500, optimizers.rmsprop({ learningRate: fading(0.05, 500) })],
  [
    'rmsprop, centered with momentum', 1_000,
    optimizers.rmsprop({ learningRate: fading(0.005, 1_000), centered: true, momentum: 0.5 }),
  ],
  ['adam', 1_000, optimizers.adam({ learningRate: fading(0.1, 1_000) })],
  ['adamw', 1_000, optimizers.adamw({ learningRate: fading(0.1, 1_000), weightDecay: 1e-6 })],
  ['sgd, both clipped', 500, optimizers.sgd({ learningRate: 0.1, clipNorm: 1, clipValue: 0.9 })],
];

const ON_ROSENBROCK: readonly Row[] = [
  ['sgd', 30_000, optimizers.sgd({ learningRate: 0.001 })],
  ['momentum', 6_000, optimizers.momentum({ learningRate: 0.0005 })],
  ['nesterov', 6_000, optimizers.nesterov({ learningRate: 0.0005 })],
  ['adagrad', 20_000, optimizers.adagrad({ learningRate: 1 })],
  ['rmsprop', 20_000, optimizers.rmsprop({ learningRate: fading(0.01, 20_000) })],
  [
    'rmsprop, centered with momentum', 20_000,
    optimizers.rmsprop({ learningRate: fading(0.001, 20_000), centered: true, momentum: 0.5 }),
  ],
  ['adam', 6_000, optimizers.adam({ learningRate: fading(0.05, 6_000) })],
  ['adamw', 6_000, optimizers.adamw({ learningRate: fading(0.05, 6_000), weightDecay: 1e-6 })],
];

describe.each(ARITHMETICS)('convergence, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  function expectMinimum({ gradient, start, minimum }: Landscape, steps: number, optimizer: Optimizer): void {
    arena.reset();
    const trained = new Updating(arena, optimizer, start);
    for (let step = 0; step < steps; step++) trained.step(gradient(trained.parameters));
    minimum.forEach((value, index) => {
      expect(Math.abs(trained.parameters[index]! - value), `coordinate ${index}`).toBeLessThan(1e-2);
    });
  }

  test.each(ON_PARABOLA)('%s reaches the minimum of a parabola in %i steps', (_, steps, optimizer) => {
    expectMinimum(PARABOLA, steps, optimizer);
  });

  test.each(ON_ROSENBROCK)("%s goes through Rosenbrock's valley in %i steps", (_, steps, optimizer) => {
    expectMinimum(ROSENBROCK, steps, optimizer);
  });
});
