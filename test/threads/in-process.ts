// A coordinator and nodes in one process, without sockets: messages are handed over as they are.
import type * as tfl from '@tensorflow/tfjs-layers';
import type { NodeChannel } from '../../cluster/coordinator/channel.js';
import { coordinatorShareSlots } from '../../cluster/coordinator/leaf-groups.js';
import { PeriodsRunner } from '../../cluster/coordinator/periods-runner.js';
import { Register } from '../../cluster/coordinator/register.js';
import { RoundsRunner, type JoinableRunner, type RoundsOptions } from '../../cluster/coordinator/rounds-runner.js';
import { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { CoordinatorMessage, MessageOf, NodeMessage } from '../../cluster/protocol/messages.js';
import type { EventRecord } from '../../cluster/rounds/events.js';
import { codecsOf, type CodecChoice } from '../../src/codecs/choice.js';
import { distribute, type DistributeOptions, type Optimizer } from '../../src/index.js';
import { instantiateKernels } from '../../src/kernels/load.js';
import type { ShapedValues } from '../../src/train/columns.js';
import { FitLoop, type FitListener, type Logs } from '../../src/train/fit.js';
import { Trainer, type Examples, type OpenSession } from '../../src/train/trainer.js';
import { FIELD } from '../../src/train/control.js';
import type { Session } from '../../src/train/session.js';
import { LocalPool } from '../../workers/pool.js';

export interface NodeWish {
  readonly workers: number;
  /** It answers so many assignments and is gone at the next. */
  readonly leavesAfter?: number;
  /** From so many assignments on it is silent, though its connection stands. */
  readonly freezesAfter?: number;
  /** Its share of that number, from 1, is lost with its connection; it comes back with what it had. */
  readonly breaksAt?: number;
  /** The last panel of its share of that number, from 0, waits until the node was told of the next version. */
  readonly holdsShare?: number;
  /** It joins not before the coordinator tells people this. */
  readonly joinsOn?: RegExp;
  /** What it makes of every panel of its share number `count` (from 0) before it sends it. */
  readonly tampers?: (share: MessageOf<'share'>, count: number) => void;
}

export interface ClusterWish extends Pick<DistributeOptions, 'mode' | 'staleness' | 'period' | 'outerLearningRate' | 'outerMomentum' | 'shardSize'> {
  readonly model: () => tfl.LayersModel;
  readonly optimizer: Optimizer;
  readonly x: ShapedValues;
  readonly y: ShapedValues;
  readonly batchSize: number;
  readonly epochs: number;
  readonly workers: number;
  /** Whether the coordinator's own workers are a source too. */
  readonly usesLocal: boolean;
  readonly nodes: readonly NodeWish[];
  readonly codec?: CodecChoice;
  /** Other examples than those of the training to take the accuracy of. */
  readonly tests?: { readonly x: ShapedValues; readonly y: ShapedValues };
  /** Is told everything that happens. */
  readonly record?: (record: EventRecord) => void;
  /** Is told every message of a node, and to one. */
  readonly heard?: (node: number, message: NodeMessage) => void;
  readonly told?: (node: number, message: CoordinatorMessage) => void;
  /** At every epoch's end, with the parameters of the coordinator. */
  readonly epochEnd?: (parameters: Float32Array) => void;
  readonly rules?: Partial<RoundsOptions['rules']>;
  readonly register?: Register;
  /** Of the coordinator's workers. */
  readonly faults?: Session['faults'];
  /** Default: draws that ask for an audit only where all are audited. */
  readonly draw?: () => number;
  readonly signal?: AbortSignal;
  /** What the coordinator tells people. */
  readonly notice?: (sentence: string) => void;
}

export interface Outcome {
  readonly parameters: Float32Array;
  readonly logs: readonly Logs[];
  readonly accuracy: number;
  readonly version: number;
  readonly mishaps: number;
  /** Of weights and state. */
  readonly stateSha256: string;
  /** Codes with which the coordinator closed connections, or refused them. */
  readonly closed: readonly string[];
  /** Numbers that nodes got which were expelled and dialled again at once; undefined: none. */
  readonly readmitted: readonly (number | undefined)[];
}

type Course = Pick<Outcome, 'logs' | 'version' | 'mishaps' | 'closed' | 'readmitted'>;

const SEED = 7;

/** Trains with nodes in a mode; ends with the loss and accuracy over all examples. */
export async function trainTogether(wish: ClusterWish): Promise<Outcome> {
  const { model, optimizer, x, y, tests = { x, y }, batchSize, workers, shardSize, mode, staleness, period, outerLearningRate, outerMomentum } = wish;
  const made = await distribute(model(), { workers, engineFlags: true, seed: SEED, optimizer, shardSize, mode, staleness, period, outerLearningRate, outerMomentum });
  const trainer = new Trainer({ ...made.parts, pool: new LocalPool(workers), faults: wish.faults ?? [] }); // without the runner that mode `local` has around its pool
  try {
    const examples = await trainer.examples(x, y);
    await trainer.parts.state.readModel(trainer.parts.model);
    const shareSlots = coordinatorShareSlots(trainer.facts.mode);
    const course = await trainer.withSession({ train: { examples, batchSize, shareSlots } }, (open) => new InProcess(wish, trainer, examples, open).run());
    const parameters = Float32Array.from(trainer.parts.state.parameterFloats());
    trainer.parts.state.writeModel(trainer.parts.model);
    const { stateSha256 } = trainer.hashes();
    const { accuracy = NaN } = await trainer.evaluate(tests.x, tests.y);
    return { ...course, parameters, accuracy, stateSha256 };
  } finally {
    await trainer.close();
    await made.close();
  }
}

class InProcess implements FitListener {
  readonly wantsBatches = false;
  readonly #logs: Logs[] = [];
  readonly #mishaps = new Set<number>();
  readonly #closed: string[] = [];
  readonly #readmitted: (number | undefined)[] = [];
  readonly #cleanups: (() => Promise<void> | void)[] = [];
  readonly #rounds: JoinableRunner;
  #connections = 0;
  /** A node is on its way back. */
  #back: Promise<void> = Promise.resolve();

  constructor(private readonly wish: ClusterWish, private readonly trainer: Trainer, private readonly examples: Examples, private readonly open: OpenSession) {
    const { state, plans, module } = trainer.parts;
    const { mode, outer } = trainer.facts;
    const options: RoundsOptions = {
      session: open.session, kernels: instantiateKernels(module, open.session.memory), parameters: state.parameters, parameterFloats: plans.layout.totalFloats,
      usesLocal: wish.usesLocal, heartbeatMs: 100, silenceMs: 500, rules: { mode, quorum: wish.usesLocal ? 0 : 1, backup: false, auditProbability: 0, checkShares: false, ...wish.rules },
      register: wish.register ?? new Register(), draw: wish.draw ?? (() => 0.99), notice: (sentence) => { this.#notice(sentence); },
      codecs: codecsOf(wish.codec), allocate: (name, byteLength) => state.arena.slot(name, byteLength), now: () => performance.now(),
      observers: wish.record === undefined ? [] : [{ record: wish.record }],
    };
    this.#rounds = mode.kind === 'local' ? new PeriodsRunner(open.runner, { ...options, period: mode.period, outer: { optimizer: outer!, momentum: state.outerMomentum! } }) : new RoundsRunner(open.runner, options);
  }

  #notice(sentence: string): void {
    this.wish.notice?.(sentence);
    for (const [index, node] of this.wish.nodes.entries()) if (node.joinsOn?.test(sentence) === true) void this.#enter(node, index);
  }

  async run(): Promise<Course> {
    const { wish: { epochs, batchSize, nodes, signal }, trainer: { parts, facts: { mode } }, open: { control, session }, examples } = this;
    try {
      for (const [index, node] of nodes.entries()) if (node.joinsOn === undefined) await this.#enter(node, index);
      const settings = {
        epochs, batchSize, examples: examples.count, shuffle: true, seed: SEED, mode: mode.kind, checkpointEverySteps: undefined, sumNames: parts.plans.sumNames,
        layerNames: parts.model.layers.map(({ name }) => name), signal,
      };
      await new FitLoop(settings, this.#rounds, control, parts.state.arena.words(session.train!.indices, examples.count), undefined, this).run({ epoch: 0, epochStep: 0, sums: [] });
      return { logs: this.#logs, version: control.fields[FIELD.version]!, mishaps: this.#mishaps.size, closed: this.#closed, readmitted: this.#readmitted };
    } finally {
      await this.#rounds.end();
      await this.#back;
      for (const cleanup of this.#cleanups.reverse()) await cleanup();
    }
  }

  async #enter(node: NodeWish, index: number): Promise<void> {
    const { wish, trainer, examples, open: { session } } = this;
    const { plans, module, tile, optimizer } = trainer.parts;
    const pool = new LocalPool(node.workers);
    this.#cleanups.push(() => pool.close());
    const { mode } = trainer.facts;
    const computing = new NodeComputing({
      plan: session.train!.plan, parameterFloats: plans.layout.totalFloats, data: { way: 'columns', inputs: examples.inputs, targets: examples.targets },
      exampleCount: examples.count, batchRows: wish.batchSize, shardSize: session.train!.shardRows, seed: SEED, shuffle: true, mode, codecs: codecsOf(wish.codec),
      ...(mode.kind === 'local' && { own: { optimizer, penalties: session.penalties?.plan } }),
    }, { pool, module, tile });
    this.#cleanups.push(() => computing.close());
    await computing.warmUp();
    await this.#connect(node, index, computing);
  }

  async #connect(wished: NodeWish, index: number, computing: NodeComputing): Promise<void> {
    const { wish } = this;
    const { workers, leavesAfter = Infinity, freezesAfter = Infinity, breaksAt = Infinity, holdsShare, tampers } = wished;
    let begun = -1;
    let sending = Promise.resolve();
    let toldAhead = (): void => undefined;
    const ahead = new Promise<void>((resolve) => { toldAhead = resolve; });
    const connection = this.#connections++;
    let [answered, shares, member, isOver] = [0, 0, -1, false];
    const isFrozen = (): boolean => answered >= freezesAfter;
    const tell = (message: Extract<NodeMessage, { type: 'ready' | 'share' | 'state' }>): void => { if (!isOver) this.#rounds.nodes.receive(member, connection, message); };
    const send = (message: NodeMessage): Promise<void> => {
      sending = sending.then(() => sendNow(message));
      return sending;
    };
    const sendNow = async (message: NodeMessage): Promise<void> => {
      if (message.type !== 'share' && message.type !== 'state') return;
      if (message.firstValue === 0) begun++;
      if (begun === holdsShare && message.firstValue + message.valueCount === computing.outgoing.values) await ahead;
      if (isFrozen()) {
        this.#mishaps.add(index);
        return;
      }
      if (++shares === breaksAt) {
        this.#mishaps.add(index);
        gone();
        this.#back = node.close().then(() => this.#connect({ workers }, index, computing));
      }
      const copy = { ...message, bytes: message.bytes.slice() }; // over a wire it is a copy
      if (copy.type === 'share') tampers?.(copy, begun);
      await new Promise((resolve) => { setImmediate(resolve); });
      wish.heard?.(index, copy);
      tell(copy);
    };
    computing.begin('the run');
    const node = new NodeSession(computing, send, (error) => { throw error; });
    this.#cleanups.push(() => node.close());
    const gone = (): void => {
      isOver = true;
      this.#rounds.nodes.gone(member, connection, 'closed');
    };
    const read = async (message: CoordinatorMessage): Promise<void> => {
      if (isOver) return;
      wish.told?.(index, message);
      if (message.type === 'parameters' && begun === holdsShare) toldAhead();
      if (message.type === 'parameters') await node.parameters(message);
      if (message.type === 'settled') node.settled(message);
      if (message.type === 'cancel') node.cancel(message);
      if (message.type !== 'assign') return;
      if (answered >= leavesAfter) {
        this.#mishaps.add(index);
        gone();
      } else node.assign(message);
      answered++;
    };
    // One after the other, as a connection hands them over.
    let reading = Promise.resolve();
    const receive = async (message: CoordinatorMessage): Promise<void> => { reading = reading.then(() => read(message)); };
    const channel: NodeChannel = {
      connection, identity: `node ${String(index)}`, role: 'node', bufferedBytes: 0, send: receive,
      get heardMs() {
        return isFrozen() ? 0 : performance.now();
      },
      close: (code) => {
        this.#closed.push(code);
        gone();
        if (code === 'ERR_EXPELLED') this.#readmitted.push(this.#rounds.nodes.admit({ ...channel, connection: -2 - connection }));
      },
    };
    const admitted = this.#rounds.nodes.admit(channel);
    if (admitted === undefined) {
      this.#closed.push('refused');
      gone();
      return;
    }
    member = admitted;
    tell({ type: 'ready', generation: 1, workers, nodes: 1, data: 'columns' });
  }

  async epochBegin(): Promise<void> {}
  async batchBegin(): Promise<void> {}
  async batchEnd(): Promise<void> {}
  epochTrained(): void {}
  async epochEnd(_epoch: number, logs: Logs): Promise<void> {
    this.#logs.push({ ...logs });
    this.wish.epochEnd?.(this.trainer.parts.state.parameterFloats());
  }
  async checkpoint(): Promise<void> {}
  shouldStop(): boolean {
    return false;
  }
}
