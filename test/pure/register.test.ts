import { describe, expect, test } from 'vitest';
import { Attendance } from '../../cluster/coordinator/attendance.js';
import type { NodeChannel } from '../../cluster/coordinator/channel.js';
import { Register } from '../../cluster/coordinator/register.js';
import type { SentParameters } from '../../cluster/coordinator/sent-parameters.js';
import type { KeptRegister } from '../../cluster/net/kept-cluster.js';
import { present } from '../../cluster/rounds/membership.js';

/** A disk that takes what it is given when the test says so. */
class HandDisk {
  readonly states: KeptRegister[] = [];
  #open: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  readonly write = (state: KeptRegister): Promise<void> => {
    this.states.push(state);
    return new Promise((resolve, reject) => { this.#open.push({ resolve, reject }); });
  };

  async take(error?: Error): Promise<void> {
    const { resolve, reject } = this.#open.shift()!;
    if (error === undefined) resolve();
    else reject(error);
    await settled();
  }

  get waiting(): number {
    return this.#open.length;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

async function kept(): Promise<{ readonly disk: HandDisk; readonly register: Register }> {
  const [disk, register] = [new HandDisk(), new Register()];
  const keeping = register.keepWith(disk.write);
  await settled();
  await disk.take();
  await keeping;
  return { disk, register };
}

describe('a register', () => {
  test('is written when it is to be kept, and then whenever something is noted, once for all that is noted during a write', async () => {
    const { disk, register } = await kept();
    register.enter('a', 0);
    await settled();
    register.enter('b', 1);
    register.enter('c', 2);
    register.enter('a', 0);
    await settled();
    expect(disk.waiting).toBe(1);
    await disk.take();
    await disk.take();
    expect(disk.waiting).toBe(0);
    expect(disk.states.map(({ members }) => members.map(({ identity }) => identity).join(''))).toEqual(['', 'a', 'abc']);
    expect(disk.states.at(-1)!.nextNumber).toBe(3);
  });

  test.each<[string, (register: Register) => Promise<void>, object]>([
    ['an expulsion', (register) => register.expel({ identity: 'a', number: 4 }), { generation: 1, members: [{ identity: 'b', number: 9, isExpelled: false }, { identity: 'a', number: 4, isExpelled: true }] }],
    ['a generation', (register) => register.raise(2), { generation: 2 }],
  ])('has %s written when that resolves, also behind a write that failed', async (_, act, state) => {
    const { disk, register } = await kept();
    register.enter('b', 9);
    await settled();
    let isDone = false;
    const acting = act(register).then(() => { isDone = true; });
    await disk.take(new Error('the disk is full'));
    expect([isDone, disk.states.length]).toEqual([false, 3]);
    await disk.take();
    await acting;
    expect(disk.states.at(-1)).toMatchObject({ ...state, nextNumber: 10 });
  });

  test('says where the disk refuses what must be written', async () => {
    const { disk, register } = await kept();
    const raising = expect(register.raise(2)).rejects.toThrow('the disk is full');
    await settled();
    await disk.take(new Error('the disk is full'));
    await raising;
  });

  test('that is no longer kept is not written', async () => {
    const { disk, register } = await kept();
    await register.keepWith(undefined);
    await register.raise(2);
    expect(disk.states).toHaveLength(1);
    expect(register.generation).toBe(2);
  });

  test('forgets the oldest of 4,096, but whom it expelled', async () => {
    const register = new Register();
    await register.expel({ identity: 'liar', number: 0 });
    for (let number = 1; number <= 4_097; number++) register.enter(`node ${String(number)}`, number);
    expect(register.isExpelled('liar')).toBe(true);
    expect([1, 2, 3].map((number) => register.numberOf(`node ${String(number)}`))).toEqual([undefined, undefined, 3]);
    expect(register.nextNumber).toBe(4_098);
  });
});

describe('a training with the register of one before, or of another process', () => {
  const channel = (identity: string, connection: number): NodeChannel => ({ connection, identity, role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined, send: () => Promise.resolve() });

  function attendance(register: Register): Attendance {
    return new Attendance({ sent: { parameters: {} as SentParameters, fates: undefined }, usesLocal: true, heartbeatMs: 1_000, silenceMs: 5_000, register, now: () => 0 });
  }

  test('gives everybody its number back, and others new ones', () => {
    const register = new Register();
    const first = attendance(register);
    expect(['a', 'b', 'c'].map((identity, connection) => first.admit(channel(identity, connection)))).toEqual([1, 2, 3]);
    const again = attendance(new Register({ generation: 2, nextNumber: register.nextNumber, members: [...'cba'].map((identity) => ({ identity, number: register.numberOf(identity)!, isExpelled: false })) }));
    expect(['new', 'c', 'a'].map((identity, connection) => again.admit(channel(identity, connection)))).toEqual([5, 3, 1]);
    // This machine was not in that list.
    expect(again.local!.number).toBe(4);
    expect(present(again.members).map(({ number }) => number)).toEqual([1, 3, 4, 5]);
  });

  test('lets nobody in who was expelled', async () => {
    const register = new Register();
    const first = attendance(register);
    await register.expel(first.members.byNumber.get(first.admit(channel('liar', 0))!)!);
    const again = attendance(register);
    expect([again.local!.number, again.admit(channel('liar', 1)), again.admit(channel('honest', 2))]).toEqual([0, undefined, 2]);
  });
});
