// The exports of the kernel module, one file an idea.
export * from './matmul';
export { compressColumns, compressRows } from './compress';
export * from './elementwise';
export * from './reduce';
export * from './copy';
export * from './gather';
export * from './random';
export * from './optimizers';
export * from './codecs';
export { sharePanels } from './nearby';
