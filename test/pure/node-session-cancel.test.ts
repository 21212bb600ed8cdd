import { expect, test } from 'vitest';
import type { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { MessageOf, NodeMessage } from '../../cluster/protocol/messages.js';

/** Workers that compute when they are told to, for a node that has the parameters of version 0. */
class HandComputing {
  readonly mode = { kind: 'sync' };
  readonly inbox = { take: () => true };
  readonly outgoing = { codec: { name: 'float32' }, values: 4, encode: () => new Uint8Array(16) };
  readonly begun: number[] = [];
  finish: () => void = () => undefined;

  useParameters(): void { /* they are there */ }
  rowsFor(): undefined { return undefined; }

  async *compute({ step, subtrees }: { readonly step: number; readonly subtrees: readonly object[] }): AsyncGenerator<object> {
    this.begun.push(step);
    await new Promise<void>((resolve) => { this.finish = resolve; });
    for (const subtree of subtrees) yield { share: { subtree, address: 0, exampleCount: 8, sums: new Float32Array(1) }, floats: 4, computeMs: 1 };
  }
}

test('what is cancelled is not begun; what is being computed is not sent', async () => {
  const computing = new HandComputing();
  const sent: NodeMessage[] = [];
  const session = new NodeSession(computing as unknown as NodeComputing, (message) => {
    sent.push(message);
    return Promise.resolve();
  }, (error) => { throw error; });
  await session.parameters({ version: 0 } as MessageOf<'parameters'>);
  const assign = (assignment: number): void => { session.assign({ type: 'assign', generation: 1, assignment, step: assignment, version: 0, subtrees: [{ level: 0, index: 0 }] } as unknown as MessageOf<'assign'>); };
  const cancel = (...assignments: number[]): void => { session.cancel({ type: 'cancel', generation: 1, assignments }); };
  const turn = async (): Promise<void> => {
    await new Promise((resolve) => { setImmediate(resolve); });
    computing.finish();
    await new Promise((resolve) => { setImmediate(resolve); });
  };
  for (const assignment of [1, 2, 3, 4]) assign(assignment);
  cancel(2);
  await turn();
  cancel(1, 3);
  await turn();
  await turn();
  expect(computing.begun).toEqual([1, 3, 4]);
  expect(sent).toMatchObject([{ type: 'share', assignment: 1 }, { type: 'share', assignment: 4 }]);
});
