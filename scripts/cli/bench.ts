import { comparisonEvents, compare, formatComparison, type Comparison } from '../bench/compare.js';
import { clusterEvents, compareCluster, formatCluster, judgeCluster, loopbackRound, type ClusterComparison } from '../bench/cluster.js';
import { checkDataFolder, findDataFolder } from '../bench/data-folder.js';
import { formatMachine, loadWarning, machineFacts, type MachineFacts } from '../bench/machine.js';
import type { MemoryFacts } from '../bench/memory.js';
import { nodeBinaries, ownContestants, type NodeBinary } from '../bench/own.js';
import { hasPeers, peers, type Peers, type Workload } from '../bench/peers.js';
import { judgeRound, measureRound } from '../bench/round-cost.js';
import { formatMemory, judgeMemory, judgeStart, probeMemory, probeStarts } from '../bench/process-probes.js';
import { formatVerdicts, judgeSpeeds, type Verdict } from '../bench/targets.js';
import { BENCH_MODELS, type BenchModel } from './choices.js';
import type { Context } from './context.js';
import type { BenchOptions } from './options.js';
import { writeJsonLine } from './output.js';
import { PRESETS } from './presets.js';
import { runCompare, runScaling } from './scaling.js';

const NO_PEERS: Peers = { contestants: [], absent: [] };

/**
 * `tensorflock bench`: speeds of this program and its peers, memory, start-up, and what came of the project's own targets.
 * A missed target is a result, not a failure: the status is 0.
 */
export async function runBench(options: BenchOptions, context: Context): Promise<number> {
  if (options.compare !== undefined) return runCompare(...options.compare, options, context);
  if (options.scaling !== undefined) return runScaling(options, { folder: () => dataFolder(options, context), peers: (workload) => wantedPeers(workload, options.peers ?? 'none', context) }, context);
  const nodes = nodeBinaries(options.node);
  const machine = machineFacts(); // before the data set is read, which is load too
  const folder = await dataFolder(options, context);
  const report = options.json ? new JsonReport(context) : new TextReport(context);
  report.machine(machine);
  if (options.cluster) return benchCluster(folder, options, report, context);
  const verdicts: Verdict[] = [];
  for (const model of options.model === 'all' ? BENCH_MODELS : [options.model]) {
    const comparison = await compareModel(model, nodes, folder, options, context);
    report.comparison(comparison);
    verdicts.push(...judgeSpeeds(model, comparison.speeds));
  }
  notice(context, 'memory and start-up');
  const memory = await probeMemory(folder);
  report.memory(memory);
  verdicts.push(...judgeMemory(memory), judgeStart(await probeStarts(options.rounds)));
  report.verdicts(verdicts);
  return 0;
}

/** A worker alone, with a node, and PyTorch DDP, on machines of a box. */
async function benchCluster(folder: string, { rounds, seconds }: BenchOptions, report: TextReport | JsonReport, context: Context): Promise<number> {
  const comparison = await compareCluster({ dataFolder: folder, rounds, seconds, notice: (sentence) => { notice(context, sentence); } });
  report.cluster(comparison);
  notice(context, 'a round on loopback');
  const round = await measureRound(loopbackRound(folder), { rounds, seconds });
  report.verdicts([...judgeCluster(comparison), judgeRound(round)]);
  return 0;
}

async function dataFolder(options: BenchOptions, context: Context): Promise<string> {
  if (options.data !== undefined) return checkDataFolder(options.data);
  const source = await context.dataSource();
  await source.load('fashion-mnist', options.fetch, { notice: (sentence) => { notice(context, sentence); } });
  return findDataFolder(context.environment);
}

async function compareModel(model: BenchModel, nodes: readonly NodeBinary[], folder: string, options: BenchOptions, context: Context): Promise<Comparison> {
  const { batchSize } = PRESETS[`fashion-mnist-${model}`]!;
  const workload: Workload = { model, batchSize, dataFolder: folder };
  const own = ownContestants(nodes, workload);
  const others = wantedPeers(workload, options.peers ?? 'all', context);
  notice(context, `${model}: warming up ${own.length + others.contestants.length} contestants`);
  let shownRound = 0;
  const onRun = (_name: string, round: number): void => {
    if (round > shownRound) notice(context, `${model}: round ${round} of ${options.rounds}`);
    shownRound = round;
  };
  return compare(workload, own, others, { rounds: options.rounds, seconds: options.seconds, onRun });
}

function wantedPeers(workload: Workload, wanted: NonNullable<BenchOptions['peers']>, context: Context): Peers {
  if (wanted === 'none') return NO_PEERS;
  if (!hasPeers()) {
    notice(context, 'peers are measured from the repository only, where scripts/peers has their programs; here are our own rows.');
    return NO_PEERS;
  }
  return peers(workload, wanted === 'all' ? {} : { only: wanted });
}

/** Progress and remarks go to standard error: standard output is the result. */
function notice(context: Context, sentence: string): void {
  context.stderr.write(`${sentence}\n`);
}

class TextReport {
  constructor(private readonly context: Context) {}

  machine(facts: MachineFacts): void {
    const warning = loadWarning(facts);
    this.#write([formatMachine(facts), ...(warning === undefined ? [] : [warning])].join('\n'));
  }

  comparison(comparison: Comparison): void {
    this.#write(`\n${formatComparison(comparison)}`);
  }

  cluster(comparison: ClusterComparison): void {
    this.#write(`\n${formatCluster(comparison)}`);
  }

  memory(facts: MemoryFacts): void {
    this.#write(`\n${formatMemory(facts)}`);
  }

  verdicts(verdicts: readonly Verdict[]): void {
    this.#write(`\ntargets\n${formatVerdicts(verdicts)}`);
  }

  #write(text: string): void {
    this.context.stdout.write(`${text}\n`);
  }
}

class JsonReport {
  constructor(private readonly context: Context) {}

  machine(facts: MachineFacts): void {
    const warning = loadWarning(facts);
    if (warning !== undefined) notice(this.context, warning);
    this.#write({ event: 'machine', ...facts });
  }

  comparison(comparison: Comparison): void {
    for (const event of comparisonEvents(comparison)) this.#write(event);
  }

  cluster(comparison: ClusterComparison): void {
    for (const event of clusterEvents(comparison)) this.#write(event);
  }

  memory(facts: MemoryFacts): void {
    this.#write({ event: 'memory', ...facts });
  }

  verdicts(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) this.#write({ event: 'target', ...verdict });
  }

  #write(event: Record<string, unknown>): void {
    writeJsonLine(this.context.stdout, event);
  }
}
