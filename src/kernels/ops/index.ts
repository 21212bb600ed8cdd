import { elementwiseOps } from './elementwise.js';
import { productOps } from './products.js';
import { reductionOps } from './reductions.js';
import { shapeOps } from './shapes.js';
import type { Op } from './op.js';

/** Every kernel of tfjs-core that plans cover, by its name. A new kernel is one `Op` and its row here. */
export const OPS: ReadonlyMap<string, Op> = new Map(
  [...elementwiseOps, ...reductionOps, ...productOps, ...shapeOps].map((op) => [op.kernel, op]),
);
