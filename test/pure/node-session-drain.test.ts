import { expect, test } from 'vitest';
import type { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { MessageOf, NodeMessage } from '../../cluster/protocol/messages.js';

/** Workers that compute when they are told to, for a node that has the parameters of version 0. */
class HandComputing {
  readonly mode = { kind: 'local', period: 4 };
  readonly inbox = { take: () => true };
  readonly outgoing = { codec: { name: 'float32' }, values: 4, encode: () => new Uint8Array(16) };
  readonly begun: number[] = [];
  finish: () => void = () => undefined;

  useParameters(): void { /* they are there */ }
  cancel(): void { /* nothing can be */ }

  ownSteps({ step }: MessageOf<'assign'>): object {
    return { epoch: 0, firstStep: 0, epochStep: step, stepCount: 1 };
  }

  makeSteps({ epochStep }: { readonly epochStep: number }): Promise<object> {
    this.begun.push(epochStep);
    return new Promise((resolve) => { this.finish = () => { resolve({ address: 0, exampleCount: 8, sums: [1] }); }; });
  }
}

test('a node that drains sends what it is computing, and begins nothing else', async () => {
  const computing = new HandComputing();
  const sent: NodeMessage[] = [];
  const session = new NodeSession(computing as unknown as NodeComputing, (message) => {
    sent.push(message);
    return Promise.resolve();
  }, (error) => { throw error; });
  await session.parameters({ version: 0 } as MessageOf<'parameters'>);
  const assign = (step: number): void => { session.assign({ type: 'assign', generation: 1, assignment: step, step, version: 0, subtrees: [{ level: 0, index: 0 }] } as unknown as MessageOf<'assign'>); };
  assign(0);
  assign(1);
  await Promise.resolve();
  let isDrained = false;
  const drained = session.drain().then(() => { isDrained = true; });
  assign(2);
  await new Promise((resolve) => { setImmediate(resolve); });
  expect([computing.begun, sent, isDrained]).toEqual([[0], [], false]);
  computing.finish();
  await drained;
  expect(computing.begun).toEqual([0]);
  expect(sent).toMatchObject([{ type: 'state', assignment: 0 }]);
});
