import { describe, expect, test } from 'vitest';
import { coordinatorShareSlots } from '../../cluster/coordinator/leaf-groups.js';
import { LocalShares, type ComputedOrder, type LocalOrder } from '../../cluster/coordinator/local-shares.js';
import { Nodes } from '../../cluster/coordinator/nodes.js';
import { SentParameters } from '../../cluster/coordinator/sent-parameters.js';
import type { CoordinatorMessage } from '../../cluster/protocol/messages.js';
import type { Mode } from '../../cluster/rounds/modes.js';
import { COMMAND, CONTROL_BYTES, viewControl } from '../../src/train/control.js';

test.each<[Mode, number, number]>([
  // Shards of a step, and as many slots, 32 at most for all open steps, and 8 for shares that are compared.
  [{ kind: 'sync' }, 1, 1 + 8],
  [{ kind: 'sync' }, 8, 8 + 8],
  [{ kind: 'sync' }, 200, 32 + 8],
  [{ kind: 'stale', staleness: 1 }, 4, 2 * 4 + 8],
  [{ kind: 'stale', staleness: 1 }, 200, 2 * 16 + 8],
  [{ kind: 'async' }, 1, 32 + 8],
  [{ kind: 'local', period: 4 }, 8, 1],
])('in mode %o a coordinator with steps of %i shards has %i slots', (mode, shards, slots) => {
  expect(coordinatorShareSlots(mode, shards)).toBe(slots);
});

const memory = new WebAssembly.Memory({ initial: 1 });

describe('the local pool', () => {
  /** A pool whose commands end when the test says so, with slots 0 to 9. */
  function pool(isOpen: (step: number) => boolean = () => true) {
    const control = viewControl(memory, 0);
    const used = new Set<number>();
    const computed: ComputedOrder[] = [];
    const commands: (() => void)[] = [];
    let rests = 0;
    const shares = new LocalShares({
      control, isOpen, now: () => 100,
      runner: { run: (kind) => { expect(kind).toBe(COMMAND.shares); return new Promise((resolve) => { commands.push(() => { resolve(undefined); }); }); }, end: async () => undefined },
      freeSlots: () => Array.from({ length: 10 }, (_, slot) => slot).filter((slot) => !used.has(slot)),
      computed: (orders) => {
        computed.push(...orders);
        for (const { slot } of orders) used.add(slot);
      },
      rested: () => { rests++; },
    });
    const order = (count: number, step = 0): LocalOrder[] => Array.from({ length: count }, (_, index) => ({ step, epochStep: step, subtree: { level: 0, index }, shards: { level: 0, index } }));
    const turn = async (): Promise<void> => {
      commands.shift()?.();
      await new Promise((resolve) => { setImmediate(resolve); });
    };
    return { shares, control, order, turn, used, computed, commands, rests: () => rests };
  }

  test('computes no more at once than there are slots for, and leaves some to others', async () => {
    const { shares, order, turn, computed, used } = pool();
    shares.order(order(13));
    await turn();
    expect(shares.computing.size).toBe(6);
    await turn();
    // Of the four that are left it takes one, and one again.
    expect([computed.length, shares.computing.size]).toEqual([6, 1]);
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(computed.map(({ subtree }) => subtree.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(computed.map(({ slot }) => slot)).size).toBe(10);
    expect(used.size).toBe(10);
  });

  test('says of each share what was spent on it, and when it was done: one after the other, the last at the end', async () => {
    const { shares, control, order, turn, computed } = pool();
    shares.order(order(3));
    await turn();
    control.progress.spentMs.set([8, 4, 1]);
    await turn();
    // The end is at 100 ms: 100 - 1, and 4 before that.
    expect(computed.map(({ subtree, computeMs, doneMs }) => [subtree.index, computeMs, doneMs])).toEqual([[0, 8, 95], [1, 4, 99], [2, 1, 100]]);
  });

  test('rests while there is no slot, and goes on when one is free', async () => {
    const { shares, order, turn, computed, used, commands, rests } = pool();
    for (let slot = 0; slot < 10; slot++) used.add(slot);
    shares.order(order(2));
    shares.goOn();
    await turn();
    expect([commands.length, rests()]).toEqual([0, 0]);
    used.delete(7);
    shares.goOn();
    await turn();
    await turn();
    expect(computed.map(({ slot }) => slot)).toEqual([7]);
    expect([commands.length, rests()]).toEqual([0, 1]);
    used.delete(7);
    shares.goOn();
    await turn();
    await turn();
    expect(computed).toHaveLength(2);
  });

  test('leaves out what waited until its step was over', async () => {
    let open = 0;
    const { shares, order, turn, computed } = pool((step) => step >= open);
    shares.order(order(8));
    await turn();
    open = 1;
    shares.order(order(1, 1));
    await turn();
    await turn();
    expect(computed.map(({ step }) => step)).toEqual([0, 0, 0, 0, 0, 0, 1]);
  });
});

describe('nodes', () => {
  function connected() {
    const parameters = new SentParameters({ memory, kernels: {}, allocate: () => 0, address: CONTROL_BYTES, floats: 4, updatedFloats: 4 }, { name: 'float32' });
    const nodes = new Nodes({ parameters, fates: undefined }, () => undefined);
    const got: CoordinatorMessage[] = [];
    nodes.add(3, { connection: 0, identity: 'node', role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined, send: async (message) => { got.push(message); } });
    const assign = (generation: number, step: number, version: number, count = 1): void => {
      nodes.assign(3, { generation, epoch: 0, step, version, subtrees: Array.from({ length: count }, (_, index) => ({ level: 0, index })) });
    };
    return { nodes, got, assign };
  }

  test('get the parameters once for each version, and again when the version comes again after a wrong share', () => {
    const { got, assign } = connected();
    const floats = new Float32Array(memory.buffer, CONTROL_BYTES, 4);
    floats.fill(1);
    assign(1, 5, 5);
    assign(1, 5, 5);
    floats.fill(2);
    assign(2, 5, 5);
    const parameters = got.flatMap((message) => (message.type === 'parameters' ? [[message.generation, message.version, new Float32Array(message.bytes.slice().buffer)[0]]] : []));
    expect(parameters).toEqual([[1, 5, 1], [2, 5, 2]]);
  });

  test('are told what nobody wants any more of steps that are over, once', () => {
    const { nodes, got, assign } = connected();
    assign(1, 0, 0, 2);
    assign(1, 0, 0, 2);
    assign(1, 1, 0);
    nodes.delivered(3, 1);
    nodes.delivered(3, 1);
    nodes.delivered(3, 2);
    nodes.delivered(3, 99);
    nodes.delivered(7, 2);
    nodes.cancel(4, (step) => step === 0);
    nodes.cancel(4, (step) => step === 0);
    expect(got.filter(({ type }) => type === 'cancel')).toEqual([{ type: 'cancel', generation: 4, assignments: [2] }]);
    nodes.cancel(4, () => true);
    expect(got.at(-1)).toEqual({ type: 'cancel', generation: 4, assignments: [3] });
  });
});
