import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leave, present, type MemberKind } from '../../cluster/rounds/membership.js';
import { nextAction, type Action } from '../../cluster/rounds/next-action.js';
import { perform } from '../../cluster/rounds/perform.js';
import { receiveShare } from '../../cluster/rounds/receive.js';
import { openRound, type Run } from '../../cluster/rounds/run.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { runs } from './properties.js';
import { add, bitsOf, descend, initialParameters, seededRandom, subtreeSum, trainAlone } from './rounds-arithmetic.js';
import { at, receive, runWith, settleDown, shareFrom } from './rounds-fixture.js';

const SHARD = 16;
const STEPS = 3;

/** Whoever hands work on: a coordinator or a relay, with what takes part below it by member number. */
interface Station {
  readonly run: Run;
  /** A relay, or undefined for a node that computes. */
  readonly below: readonly (Station | undefined)[];
  /** Undefined for the coordinator. */
  readonly above: { readonly station: Station; readonly number: number } | undefined;
}

/** A training by a tree of stations, where everything that may happen next happens in a random order. */
class RelayedTraining {
  parameters = initialParameters();
  applied = 0;
  readonly #coordinator: Station;
  readonly #stations: Station[] = [];
  readonly #slots = new Map<number, Float32Array>();
  /** Shares on their way. */
  readonly #pending: (() => void)[] = [];

  constructor(private readonly examples: number, private readonly random: () => number) {
    this.#coordinator = this.#station(2, undefined);
    Object.assign(this.#coordinator.run, { endStep: STEPS });
  }

  get #leafCount(): number {
    return Math.ceil(this.examples / SHARD);
  }

  run(): void {
    this.#settle(this.#coordinator);
    while (this.#pending.length > 0) {
      if (this.random() < 0.1) this.#loseSomebody();
      const [happen] = this.#pending.splice(Math.floor(this.random() * this.#pending.length), 1);
      happen!();
    }
  }

  #station(depth: number, above: Station['above']): Station {
    const kinds = Array.from({ length: 1 + Math.floor(this.random() * 3) }, (_, index): MemberKind => {
      if (index === 0 && this.random() < 0.3) return 'local';
      return depth > 0 && this.random() < 0.5 ? 'relay' : 'node';
    });
    const run = runWith(kinds, { passesUp: above !== undefined });
    if (above !== undefined) run.endStep = 0;
    const below: (Station | undefined)[] = [];
    const station: Station = { run, below, above };
    this.#stations.push(station);
    kinds.forEach((kind, number) => below.push(kind === 'relay' ? this.#station(depth - 1, { station, number }) : undefined));
    return station;
  }

  #settle(station: Station): void {
    for (;;) {
      const action = nextAction(station.run, 0);
      if (action.kind === 'open') openRound(station.run, { step: action.step, examples: this.examples, shardExamples: SHARD });
      else if (action.kind === 'assign') this.#assign(station, action);
      else if (action.kind === 'apply') this.#apply(station, action);
      else return;
    }
  }

  #assign(station: Station, action: Extract<Action, { kind: 'assign' }>): void {
    perform(station.run, action, 0);
    for (const { source, subtree } of action.handedOut) {
      const relay = station.below[source];
      if (relay === undefined) {
        const values = subtreeSum(this.parameters, action.step, subtree, this.#leafCount);
        this.#pending.push(() => { this.#arrive(station, source, action.step, subtree, values); });
      } else this.#handOn(relay, action.step, subtree);
    }
  }

  /** With an assignment of another step come its parameters. */
  #handOn(relay: Station, step: number, root: TreeNode): void {
    const { run } = relay;
    if (run.version !== step) run.rounds.length = 0;
    run.version = step;
    openRound(run, { step, examples: this.examples, shardExamples: SHARD, root, version: step, oldestVersion: step });
    this.#settle(relay);
  }

  #arrive(station: Station, source: number, step: number, subtree: TreeNode, values: Float32Array): void {
    const share = shareFrom(source, subtree, { step, version: step, digest: bitsOf(values), computeMs: 1 });
    this.#slots.set(share.slot, values);
    receiveShare(station.run, share, 1);
    this.#settle(station);
  }

  #apply({ run, above }: Station, action: Extract<Action, { kind: 'apply' }>): void {
    const sums = action.shares.map(({ slot }) => this.#slots.get(slot)!);
    for (const { into, from } of action.additions) sums[into] = add(sums[into]!, sums[from]!);
    perform(run, action, 0);
    if (above !== undefined) this.#pending.push(() => { this.#arrive(above.station, above.number, action.step, action.root, sums[0]!); });
    else {
      this.parameters = descend(this.parameters, sums[0]!, action.examples);
      this.applied++;
    }
  }

  /** Not the last one of its station: that would be the station's own loss. */
  #loseSomebody(): void {
    const station = this.#stations[Math.floor(this.random() * this.#stations.length)]!;
    const there = present(station.run.members).filter(({ kind }) => kind !== 'local');
    if (there.length < 2) return;
    leave(there[Math.floor(this.random() * there.length)]!, 'closed');
    this.#settle(station);
  }
}

test('any tree of relays and nodes, of which some are lost, gives the bytes of one worker', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 * SHARD }), fc.nat(), (examples, seed) => {
    const training = new RelayedTraining(examples, seededRandom(seed));
    training.run();
    expect(training.applied).toBe(STEPS);
    expect(bitsOf(training.parameters)).toBe(bitsOf(trainAlone(STEPS, examples, SHARD)));
  }), runs(300));
});

describe('a relay whose share below is not finite', () => {
  function relay(): Run {
    const run = runWith(['local', 'node'], { passesUp: true });
    run.endStep = 0;
    openRound(run, { step: 0, examples: 128, shardExamples: SHARD, root: at(1, 0), version: 0, oldestVersion: 0 });
    settleDown(run, 0);
    return run;
  }

  test('has it computed again, and passes it up when that gives the same bytes', () => {
    const run = relay();
    const { source, subtree } = run.rounds[0]!.assignments.find((given) => given.source === 1)!;
    expect(receive(run, source, subtree, { isFinite: false, digest: 'one' })).toEqual({ kind: 'held', reason: 'notFinite' });
    settleDown(run, 1);
    receive(run, 0, at(0, 0), { digest: 'other' });
    expect(receive(run, 0, subtree, { isFinite: false, digest: 'one' })).toMatchObject({ kind: 'settled', wrong: [] });
    expect(nextAction(run, 2)).toMatchObject({ kind: 'apply', root: at(1, 0) });
  });

  test('expels who gave it when that gives other bytes, and goes back for nothing', () => {
    const run = relay();
    const { source, subtree } = run.rounds[0]!.assignments.find((given) => given.source === 1)!;
    receive(run, source, subtree, { isFinite: false, digest: 'one' });
    settleDown(run, 1);
    receive(run, 0, at(0, 0), { digest: 'other' });
    expect(receive(run, 0, subtree, { digest: 'right' })).toMatchObject({ kind: 'settled', wrong: [1] });
    expect(settleDown(run, 2)).toEqual(['incident', 'expel', 'apply', 'done']);
  });
});
