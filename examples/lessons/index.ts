import type { Lesson } from './kit.js';

/** A lesson as the list shows it; loaded when it is run. */
export interface LessonEntry {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Its file in this folder, without extension. */
  readonly file: string;
  readonly load: () => Promise<{ readonly run: Lesson }>;
}

/** In the order in which they build on each other. */
export const LESSONS: readonly LessonEntry[] = [
  {
    name: 'perceptron', title: 'The perceptron', file: '01-perceptron', load: () => import('./01-perceptron.js'),
    about: 'weighted sum, bias, activation; what one layer can and cannot separate',
  },
  {
    name: 'by-hand', title: 'Two layers by hand', file: '02-by-hand', load: () => import('./02-by-hand.js'),
    about: 'forward and backward pass with every number of the chain rule, checked against tracing',
  },
  {
    name: 'activations', title: 'Activations', file: '03-activations', load: () => import('./03-activations.js'),
    about: 'linear, sigmoid, tanh, the ReLUs and softmax with their derivatives, and what overflows',
  },
  {
    name: 'losses', title: 'Losses', file: '04-losses', load: () => import('./04-losses.js'),
    about: 'squared error and three cross-entropies, and which fits which output',
  },
];
