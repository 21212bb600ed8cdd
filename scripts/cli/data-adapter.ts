import { fashionMnist, mnist } from '../../src/data/index.js';
import type { DataSource } from './library.js';
import { readRows } from './rows.js';

const LOADERS = { 'fashion-mnist': fashionMnist, mnist } as const;

/** The data sets of this package. */
export function dataSource(): DataSource {
  return {
    load: (name, fetch, listener) =>
      LOADERS[name]({
        fetch,
        onNotice: (sentence) => { listener.notice(sentence); },
        onProgress: (progress) => listener.download?.(progress),
      }),
    readRows,
  };
}
