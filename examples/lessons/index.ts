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
];
