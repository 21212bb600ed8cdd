// The summation tree over the shards of a step. Level by level, node i is child 2i plus child 2i + 1, left first; a
// last child without a sibling goes up unchanged. The same additions in the same order, however shards are handed out.

/** A subtree: the leaves [index << level, (index + 1) << level), as far as they exist. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** Leaves [start, end). */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

export function leavesOf(node: TreeNode, leafCount: number): LeafRange {
  const start = node.index * 2 ** node.level;
  return { start, end: Math.min(leafCount, start + 2 ** node.level) };
}

/** The fewest aligned subtrees of at most 2^maxLevel leaves that make up a range, in order. */
export function subtreesOf(range: LeafRange, leafCount: number, maxLevel: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let start = range.start; start < range.end; ) {
    let level = 0;
    while (level < maxLevel && start % 2 ** (level + 1) === 0 && fits(start, level + 1, range, leafCount)) level++;
    nodes.push({ level, index: start / 2 ** level });
    start += 2 ** level;
  }
  return nodes;
}

/** Whether a subtree lies in the range; at the ragged end of the tree it may lack leaves that do not exist. */
function fits(start: number, level: number, range: LeafRange, leafCount: number): boolean {
  const end = start + 2 ** level;
  return end <= range.end || (range.end === leafCount && start + 2 ** (level - 1) < leafCount);
}
