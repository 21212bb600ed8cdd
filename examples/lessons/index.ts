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
  {
    name: 'vanishing-gradients', title: 'Vanishing and exploding gradients', file: '05-vanishing-gradients', load: () => import('./05-vanishing-gradients.js'),
    about: 'what a chain of sigmoids leaves of a gradient, ten layers of three activations, and clipping where it explodes',
  },
  {
    name: 'initialisers', title: 'Initialisers', file: '06-initialisers', load: () => import('./06-initialisers.js'),
    about: 'zeros, small, Xavier and He: how wide activations and gradients are in each layer, by fan-in and fan-out',
  },
  {
    name: 'dropout', title: 'Dropout', file: '07-dropout', load: () => import('./07-dropout.js'),
    about: 'with and without on few images; scaling at test time against inverted dropout; Gaussian dropout',
  },
  {
    name: 'gradient-descent', title: 'Gradient descent', file: '08-gradient-descent', load: () => import('./08-gradient-descent.js'),
    about: 'all examples a step, one, or a few: the path on a surface of two parameters, and the time to an accuracy',
  },
  {
    name: 'optimizers', title: 'Optimizers', file: '09-optimizers', load: () => import('./09-optimizers.js'),
    about: 'seven of them on the same network with dropout, several seeds each',
  },
  {
    name: 'images', title: 'Images to classes', file: '10-images', load: () => import('./10-images.js'),
    about: 'load, look, flatten, scale, one layer, two layers, a Flatten layer; fit, evaluate, predict',
  },
  {
    name: 'distribution', title: 'Distribution', file: '11-distribution', load: () => import('./11-distribution.js'),
    about: 'one, two and four workers and a node that dies: the same bytes; then stale, async and local',
  },
];
