import type { TreeNode } from '../../src/plan/tree.js';
import type { SettledShare } from '../protocol/messages.js';
import type { ShareName } from './share-inbox.js';

/** What becomes of shares that nodes were asked for: a node that holds back what its encoding lost has to know which of them count. */
export class ShareFates {
  /** By step: shares that were asked for, and whether they count. */
  readonly #open = new Map<number, (ShareName & { counts: boolean })[]>();
  /** By member: what it is to be told. It stays while the node is away. */
  readonly #settled = new Map<number, SettledShare[]>();

  asked(member: number, step: number, assignment: number, subtrees: readonly TreeNode[]): void {
    const asked = subtrees.map((subtree) => ({ member, assignment, subtree, counts: false }));
    this.#open.set(step, [...(this.#open.get(step) ?? []), ...asked]);
  }

  /** A share is in an update of its step. */
  count(step: number, name: ShareName): void {
    const share = this.#open.get(step)?.find((asked) => isSame(asked, name));
    if (share !== undefined) share.counts = true;
  }

  /** A step is over: what does not count by now never will. */
  close(step: number): void {
    for (const { member, assignment, subtree, counts } of this.#open.get(step) ?? []) {
      this.#settled.set(member, [...(this.#settled.get(member) ?? []), { assignment, ...subtree, counts }]);
    }
    this.#open.delete(step);
  }

  /** Every open step is over, as after a return to an earlier state. */
  closeAll(): void {
    for (const step of [...this.#open.keys()]) this.close(step);
  }

  /** What a member is to be told now; afterwards it has been. */
  take(member: number): readonly SettledShare[] {
    const settled = this.#settled.get(member) ?? [];
    this.#settled.delete(member);
    return settled;
  }
}

function isSame(one: ShareName, other: ShareName): boolean {
  return one.member === other.member && one.assignment === other.assignment && one.subtree.level === other.subtree.level && one.subtree.index === other.subtree.index;
}
