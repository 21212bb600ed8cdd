import { loadImageSet, type ImageSetOptions } from './image-set-loader.js';
import { FASHION_MNIST, MNIST } from './image-sets.js';
import type { DatasetSplit } from './dataset.js';

export { arrays } from './arrays.js';
export { csv } from './csv.js';
export { idx } from './idx.js';
export type { ArraysOptions, ColumnSource, NestedNumbers, ShapedValues, TypedArray } from './arrays.js';
export type { CsvOptions } from './csv.js';
export type { Column, ColumnValues, Dataset, DatasetSplit } from './dataset.js';
export type { DownloadProgress } from './download.js';
export type { IdxOptions } from './idx.js';
export type { ImageSetOptions } from './image-set-loader.js';

/**
 * Fashion-MNIST: 60,000 + 10,000 images [28, 28] of clothes, bytes with scale 1 / 255, and their classes 0 to 9.
 * @throws TensorflockError `ERR_DATASET_NOT_FOUND` listing what was tried
 */
export function fashionMnist(options?: ImageSetOptions): Promise<DatasetSplit> {
  return loadImageSet(FASHION_MNIST, options);
}

/**
 * MNIST: 60,000 + 10,000 images [28, 28] of handwritten digits, bytes with scale 1 / 255, and their classes 0 to 9.
 * @throws TensorflockError `ERR_DATASET_NOT_FOUND` listing what was tried
 */
export function mnist(options?: ImageSetOptions): Promise<DatasetSplit> {
  return loadImageSet(MNIST, options);
}
