import { beforeEach, describe, expect, test } from 'vitest';
import { Snapshots } from '../../cluster/coordinator/snapshots.js';
import { CONTROL_BYTES, FIELD, viewControl } from '../../src/train/control.js';

/** Parameters and two states of so many floats, behind the control block. */
const FLOATS = 40;
const memory = new WebAssembly.Memory({ initial: 1 });
const [parameters, ...states] = [0, 1, 2].map((area) => CONTROL_BYTES + area * FLOATS * 4) as [number, number, number];
const update = { parameters, states, floats: FLOATS };
const control = viewControl(memory, 0);
const areas = (): Float32Array => new Float32Array(memory.buffer, parameters, 3 * FLOATS);

/** What an update leaves: every number tells the version. */
function stateOf(version: number): void {
  control.fields[FIELD.version] = version;
  control.fields[FIELD.epochStep] = version - 100;
  control.sums.fill(version);
  areas().fill(version);
}

function expectState(version: number): void {
  expect([control.fields[FIELD.version], control.fields[FIELD.epochStep]]).toEqual([version, version - 100]);
  expect(new Set([...control.sums, ...areas()])).toEqual(new Set([version]));
}

let snapshots: Snapshots;
const open = (everyUpdates: number, laterBytes?: number): Snapshots => new Snapshots({ memory, control, update, everyUpdates, laterBytes });
beforeEach(() => {
  stateOf(100);
  snapshots = open(10);
  snapshots.begin();
});

/** Updates up to a version, of which none is vouched for from `needed` on. */
function train(to: number, needed?: number): void {
  while (control.fields[FIELD.version]! < to) {
    stateOf(control.fields[FIELD.version]! + 1);
    snapshots.keep(needed);
  }
}

describe('snapshots', () => {
  test('bring back the newest state of at most a version, and forget later ones', () => {
    train(135, 100);
    expect(snapshots.versions).toEqual([100, 110, 120, 130]);
    control.fields[FIELD.badLoss] = 1;
    control.fields[FIELD.packedVersion] = 135;
    control.fields[FIELD.snapshotVersion] = 130;
    expect(snapshots.restore(129)).toMatchObject({ version: 120, epochStep: 20 });
    expectState(120);
    expect([FIELD.badLoss, FIELD.packedVersion, FIELD.snapshotVersion].map((field) => control.fields[field])).toEqual([0, -1, -1]);
    expect(snapshots.versions).toEqual([100, 110, 120]);
  });

  test('are not changed by what is done with the state, nor by giving a state back twice', () => {
    train(115);
    snapshots.restore(112);
    train(119);
    snapshots.restore(119);
    expectState(110);
    snapshots.restore(109);
    expectState(100);
  });

  test('are dropped when nobody needs them, but the first', () => {
    train(129, 100);
    expect(snapshots.versions).toEqual([100, 110, 120]);
    train(130, 125);
    expect(snapshots.versions).toEqual([100, 120, 130]);
    train(140);
    expect(snapshots.versions).toEqual([100, 140]);
  });

  test('are four at most, spread over what may be needed', () => {
    train(139, 100);
    expect(snapshots.versions).toEqual([100, 110, 120, 130]);
    train(179, 100);
    expect(snapshots.versions).toEqual([100, 120, 140, 160]);
    train(180, 100);
    expect(snapshots.versions).toEqual([100, 140, 180]);
    train(259, 100);
    expect(snapshots.versions).toEqual([100, 140, 180, 220]);
  });

  test('begin anew where nothing goes back any more', () => {
    train(135);
    snapshots.begin();
    expect(snapshots.versions).toEqual([135]);
    expect(() => snapshots.restore(134)).toThrow('no snapshot of version 134 or before');
  });

  test('follow workers that went back by themselves', () => {
    train(135, 100);
    stateOf(119);
    snapshots.wentBack();
    expect(snapshots.versions).toEqual([100, 110]);
    stateOf(90);
    snapshots.wentBack();
    expect(snapshots.versions).toEqual([90]);
  });

  test('beside the first take no more than they may', () => {
    for (const [laterBytes, versions] of [[2 * 480, [100, 140, 180]], [479, [100]]] as const) {
      stateOf(100);
      snapshots = open(10, laterBytes);
      snapshots.begin();
      train(200, 100);
      expect(snapshots.versions).toEqual(versions);
    }
  });
});
