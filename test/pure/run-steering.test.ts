import { expect, test } from 'vitest';
import { Attendance } from '../../cluster/coordinator/attendance.js';
import type { NodeChannel } from '../../cluster/coordinator/channel.js';
import { Register } from '../../cluster/coordinator/register.js';
import { RunSteering } from '../../cluster/coordinator/run-steering.js';
import type { SentParameters } from '../../cluster/coordinator/sent-parameters.js';
import type { Control } from '../../src/train/control.js';

/** What each node was told, by its identity. */
class Told {
  readonly all: string[] = [];

  channel(identity: string, connection: number): NodeChannel {
    return {
      connection, identity, role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined,
      send: (message) => {
        this.all.push(`${identity} ${message.type === 'pause' ? message.reason : message.type}`);
        return Promise.resolve();
      },
    };
  }

  take(): string[] {
    return this.all.splice(0);
  }
}

function steered(): { readonly told: Told; readonly steering: RunSteering; readonly attendance: Attendance; readonly enter: (identity: string, connection: number) => number } {
  const told = new Told();
  const attendance = new Attendance({ sent: { parameters: {} as SentParameters, fates: undefined }, usesLocal: true, heartbeatMs: 1_000, silenceMs: 5_000, register: new Register(), now: () => 0 });
  const steering = new RunSteering({ isPaused: false }, {} as Control, attendance);
  const enter = (identity: string, connection: number): number => {
    const member = attendance.admit(told.channel(identity, connection))!;
    attendance.ready(attendance.members.byNumber.get(member)!, 0, { workers: 1, nodes: 1 });
    return member;
  };
  return { told, steering, attendance, enter };
}

test('every node that takes part is told once why the run rests, and that it goes on', () => {
  const { told, steering, enter } = steered();
  steering.goesOn();
  enter('a', 0);
  for (let ask = 0; ask < 3; ask++) steering.rests('quorum');
  expect(told.take()).toEqual(['a quorum']);
  enter('b', 1);
  steering.rests('quorum');
  expect(told.take()).toEqual(['b quorum']);
  steering.rests('operator');
  expect(told.take()).toEqual(['a operator', 'b operator']);
  for (let ask = 0; ask < 3; ask++) steering.goesOn();
  expect(told.take()).toEqual(['a resume', 'b resume']);
  steering.rests('quorum');
  expect(told.take()).toEqual(['a quorum', 'b quorum']);
});

test('one that joins when the run goes on is told nothing, and one that is back over another connection is told again', () => {
  const { told, steering, attendance, enter } = steered();
  const a = enter('a', 0);
  steering.rests('quorum');
  attendance.gone(a, 0, 'closed');
  expect(enter('a', 1)).toBe(a);
  steering.rests('quorum');
  enter('b', 2);
  steering.goesOn();
  expect(told.take()).toEqual(['a quorum', 'a quorum', 'a resume']);
});
