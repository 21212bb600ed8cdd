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

/** Leaves for each of `workers`, as even as whole leaves allow, in order; a worker may get none. */
export function splitLeaves(leafCount: number, workers: number): LeafRange[] {
  return Array.from({ length: workers }, (_, worker) => ({
    start: Math.floor((worker * leafCount) / workers),
    end: Math.floor(((worker + 1) * leafCount) / workers),
  }));
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

/** One addition: operand `into` becomes into + from. Operands are counted in the order of the nodes. */
export interface Addition {
  readonly into: number;
  readonly from: number;
}

/** What stands on the stack of a fold: a subtree and the operand that holds its sum. */
interface Held {
  readonly node: TreeNode;
  readonly operand: number;
}

/**
 * The additions that join subtrees, given in order and without gaps, as far as siblings are present; what remains are
 * the subtrees that the range determines. Folding them again with their neighbours gives the root.
 */
export function joinSubtrees(nodes: readonly TreeNode[], leafCount: number): { additions: Addition[]; remaining: { node: TreeNode; operand: number }[] } {
  const additions: Addition[] = [];
  const stack: Held[] = [];
  nodes.forEach((node, operand) => {
    stack.push({ node: promote(node, leafCount), operand });
    for (let pair = siblings(stack); pair !== undefined; pair = siblings(stack)) {
      const [left, right] = pair;
      additions.push({ into: left.operand, from: right.operand });
      stack.splice(-2, 2, { node: promote(parent(left.node), leafCount), operand: left.operand });
    }
  });
  return { additions, remaining: stack };
}

const parent = (node: TreeNode): TreeNode => ({ level: node.level + 1, index: Math.floor(node.index / 2) });

/** A last child without a sibling goes up unchanged, up to the root. */
function promote(node: TreeNode, leafCount: number): TreeNode {
  let current = node;
  while (2 ** current.level < leafCount && current.index % 2 === 0 && (current.index + 1) * 2 ** current.level >= leafCount) {
    current = parent(current);
  }
  return current;
}

/** The last two entries, where they are the two children of one node. */
function siblings(stack: readonly Held[]): readonly [Held, Held] | undefined {
  const left = stack.at(-2);
  const right = stack.at(-1);
  if (left === undefined || right === undefined) return undefined;
  const joined = left.node.level === right.node.level && left.node.index % 2 === 0 && right.node.index === left.node.index + 1;
  return joined ? [left, right] : undefined;
}

/** The additions from all subtrees to the root, which ends in operand 0. */
export function rootAdditions(nodes: readonly TreeNode[], leafCount: number): Addition[] {
  return joinSubtrees(nodes, leafCount).additions;
}
