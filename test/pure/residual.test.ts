import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ShareFates } from '../../cluster/coordinator/share-fates.js';
import { Residual } from '../../cluster/node/residual.js';
import { ShareSender, type ShareHead } from '../../cluster/node/share-sender.js';
import type { MessageOf, NodeMessage } from '../../cluster/protocol/messages.js';
import { TensorCoding } from '../../cluster/tensor-coding.js';
import type { Codec } from '../../src/codecs/codec.js';
import { runs } from './properties.js';
import { Room } from './tensor-room.js';

const VALUES = 64;
const CODECS: [string, Codec][] = [['int8', { name: 'int8', blockValues: 16 }], ['top-k', { name: 'topk', keptFraction: 0.1 }]];
const head = (assignment: number, step: number): ShareHead =>
  ({ generation: 1, assignment, step, version: step, subtree: { level: 0, index: assignment }, exampleCount: 8, sums: new Float32Array(1) });

/** A node that sends shares, and what of them arrives. */
class Sender {
  readonly room = new Room();
  readonly coding: TensorCoding;
  readonly residual = new Residual(this.room, VALUES);
  readonly #gradients = this.room.put(new Float32Array(VALUES));
  readonly #decoded = this.room.put(new Float32Array(VALUES));
  readonly #sender: ShareSender;
  #sent: MessageOf<'share'> | undefined;

  constructor(codec: Codec) {
    this.coding = new TensorCoding(this.room, codec, VALUES);
    this.residual.belongTo('run 1');
    this.#sender = new ShareSender(this.coding, this.residual, async (message: NodeMessage) => { this.#sent = message as MessageOf<'share'>; });
  }

  async send(assignment: number, step: number, gradients: Float32Array): Promise<Float32Array> {
    this.room.at(this.#gradients, VALUES).set(gradients);
    await this.#sender.share(head(assignment, step), this.#gradients).reach(VALUES, 1);
    await this.#sender.sent();
    expect(this.coding.decode(this.#sent!.bytes, this.#sent!, this.#decoded)).toBe(true);
    return this.room.at(this.#decoded, VALUES).slice();
  }

  get values(): Float32Array {
    return this.room.at(this.residual.address, VALUES).slice();
  }
}

const gradientsOf = (seed: number): Float32Array => Float32Array.from({ length: VALUES }, (_, i) => Math.sin(seed * 7 + i) * (i % 5));
const add = (sum: Float64Array, values: Float32Array): void => { values.forEach((value, i) => { sum[i]! += value; }); };

describe.each(CODECS)('%s', (_, codec) => {
  test('what counted and the residual are together what was computed of it, whatever was lost, late or taken over', async () => {
    // A share is in the update of its step or not; what became of it is told at once, later, or when the node is back.
    const share = fc.record({ seed: fc.nat(1_000), counts: fc.boolean(), isBack: fc.boolean(), tells: fc.boolean() });
    await fc.assert(fc.asyncProperty(fc.array(share, { minLength: 1, maxLength: 30 }), async (shares) => {
      const fates = new ShareFates();
      const [computed, delivered] = [new Float64Array(VALUES), new Float64Array(VALUES)];
      const sender = new Sender(codec);
      const tell = (): void => {
        for (const { assignment, level, index, counts } of fates.take(1)) sender.residual.settle({ assignment, subtree: { level, index } }, counts);
      };
      for (const [step, { seed, counts, isBack, tells }] of shares.entries()) {
        const [gradients, name] = [gradientsOf(seed), { member: 1, assignment: step, subtree: { level: 0, index: step } }];
        fates.asked(1, step, step, [name.subtree]);
        const arrived = await sender.send(step, step, gradients);
        if (counts) {
          add(computed, gradients);
          add(delivered, arrived);
        }
        if (counts) fates.count(step, name);
        fates.close(step);
        if (isBack) sender.residual.belongTo('run 1');
        if (tells) tell();
      }
      tell();
      add(delivered, sender.values);
      const off = Math.max(...delivered.map((value, i) => Math.abs(value - computed[i]!)));
      expect(off).toBeLessThan(1e-4); // float32 rounds some sixty sums of numbers up to ten
    }), runs(50));
  });

  test('a share that does not count leaves the residual as it was', async () => {
    const sender = new Sender(codec);
    await sender.send(0, 0, gradientsOf(1));
    const before = sender.values;
    await sender.send(1, 1, gradientsOf(2));
    sender.residual.settle({ assignment: 1, subtree: { level: 0, index: 1 } }, false);
    sender.values.forEach((value, i) => { expect(value).toBeCloseTo(before[i]!, 5); });
    // Said twice, or of a share that was never sent, it changes nothing.
    const settled = sender.values;
    for (const assignment of [1, 7]) sender.residual.settle({ assignment, subtree: { level: 0, index: assignment } }, false);
    expect(sender.values).toEqual(settled);
  });
});

test('a residual goes on where its node comes back to the same run, and begins anew in another', async () => {
  const sender = new Sender({ name: 'topk', keptFraction: 0.1 });
  await sender.send(0, 0, gradientsOf(1));
  const { values } = sender;
  sender.residual.belongTo('run 1');
  expect(sender.values).toEqual(values);
  sender.residual.belongTo('run 2');
  expect(sender.values).toEqual(new Float32Array(VALUES));
  // A share of the other run is nothing to this one.
  sender.residual.settle({ assignment: 0, subtree: { level: 0, index: 0 } }, false);
  expect(sender.values).toEqual(new Float32Array(VALUES));
});
