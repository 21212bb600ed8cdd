// How the sums of subtrees become the sum of the tree they make up: the same additions, whatever the subtrees are.
import type { TreeNode } from './tree.js';

/** Adds share `from` to share `into`; both are positions in a list of shares. */
export interface ShareAddition {
  readonly into: number;
  readonly from: number;
}

/**
 * The additions from subtrees of any sizes, given in the order of their leaves and without gaps, to the subtree that they
 * make up. Performed in order, they leave its sum in operand 0.
 */
export function rootAdditions(nodes: readonly TreeNode[], leafCount: number): ShareAddition[] {
  const stack = new JoinStack<number>(leafCount);
  return nodes.flatMap((node, operand) => stack.push(node, operand).map(({ left, right }) => ({ into: left, from: right })));
}

/** Subtrees in order; two siblings on top become their parent, in the left one's place. */
export class JoinStack<T> {
  readonly held: { readonly node: TreeNode; readonly operand: T }[] = [];

  constructor(private readonly leafCount: number) {}

  /** Adds a subtree and returns the joins that it makes possible, in order. */
  push(node: TreeNode, operand: T): { readonly left: T; readonly right: T }[] {
    const joins: { readonly left: T; readonly right: T }[] = [];
    this.held.push({ node: this.promote(node), operand });
    for (let left = this.held.at(-2), right = this.held.at(-1); left && right && areSiblings(left.node, right.node); left = this.held.at(-2), right = this.held.at(-1)) {
      joins.push({ left: left.operand, right: right.operand });
      this.held.splice(-2, 2, { node: this.promote(parentOf(left.node)), operand: left.operand });
    }
    return joins;
  }

  /** A last child without a sibling goes up unchanged, up to the root. */
  private promote(node: TreeNode): TreeNode {
    let current = node;
    while (2 ** current.level < this.leafCount && current.index % 2 === 0 && (current.index + 1) * 2 ** current.level >= this.leafCount) {
      current = parentOf(current);
    }
    return current;
  }
}

const parentOf = (node: TreeNode): TreeNode => ({ level: node.level + 1, index: Math.floor(node.index / 2) });

const areSiblings = (left: TreeNode, right: TreeNode): boolean =>
  left.level === right.level && left.index % 2 === 0 && right.index === left.index + 1;
