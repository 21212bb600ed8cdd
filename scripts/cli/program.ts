import { Command } from 'commander';
import { CODEC_NAMES } from '../../src/codecs/choice.js';
import { inputError } from '../../src/errors.js';
import { BENCH_MODELS, BENCH_SIZES, DATASETS, FETCH_CHOICES, KERNEL_CHOICES, MODES, OPERATIONS, OPTIMIZERS, SCALING_PARTS, SHELLS } from './choices.js';
import { withoutRemarks, type Context } from './context.js';
import { HELP_AFTER } from './help.js';
import { notOneOf } from './nearest.js';
import { DEFAULT_PRESET } from './presets.js';
import { packageVersion } from './version.js';

type RawOptions = Record<string, unknown>;

const WORKERS = ['--workers <n>', 'threads, 1 to 64, or auto for one a core (default: auto)'] as const;
const KERNELS = ['--kernels <build>', `${KERNEL_CHOICES.join(', ')} (default: auto)`] as const;
const FETCH = ['--fetch <source>', `where missing data may come from: ${FETCH_CHOICES.join(', ')} (default: mirrors)`] as const;
const TEST_EXAMPLES = ['--test-examples <n>', 'test on the first n examples only'] as const;
const KEY_FILE = ['--key-file <path>', 'a file with the key, 22 characters of base64url (default: drawn for the run; of the link)'] as const;
const INSECURE = ['--insecure', 'without keys, and off loopback without TLS: strangers may join, and read and change what is sent'] as const;
const HOST = ['--host <name>', 'a name under which it may be addressed too, besides addresses and localhost; may be repeated'] as const;
const ANNOUNCE = ['--announce', 'tell this network by mDNS where it is, never its key'] as const;
const TLS_CERT = ['--tls-cert <path>', 'a certificate (PEM) in the place of one that signs itself'] as const;
const TLS_KEY = ['--tls-key <path>', 'its private key (PEM)'] as const;
const SEED = ['--seed <n>', 'draws the initial weights, the shuffles and the masks (default: 1)'] as const;
const OVERWRITE = ['--overwrite', 'replace an earlier run in the folder of --out'] as const;
const QUIET = ['--quiet', 'print the result alone, without progress and remarks'] as const;
const JSON_LINES = ['--json', 'one JSON object a line on standard output, nothing else'] as const;

/**
 * The commands with their options and help. Options arrive in the commands as the words that were typed: each command's
 * schema checks them, so that a wrong one is refused before tfjs or data are loaded.
 */
export function createProgram(context: Context, finish: (status: number) => void): Command {
  const program = quiet(new Command('tensorflock'), context)
    .description('Trains TensorFlow.js models on every core, with the same bits every time.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this page')
    .helpCommand(false)
    .usage('<command> [options]')
    .addHelpText('after', HELP_AFTER.program)
    .argument('[command]')
    .action((typed: string | undefined) => {
      throw unknownCommand(typed, program.createHelp().visibleCommands(program).map((command) => command.name()));
    });
  addTrain(program, context, finish);
  addEvaluate(program, context, finish);
  addPredict(program, context, finish);
  addReport(program, context, finish);
  addInit(program, context, finish);
  addLesson(program, context, finish);
  addBench(program, context, finish);
  addDoctor(program, context, finish);
  addJoin(program, context, finish);
  addReplay(program, context, finish);
  addOperate(program, context, finish);
  addCompletion(program, finish);
  program.allowExcessArguments(); // of a mistyped command; only now, because commands inherit it when they are made
  for (const command of program.commands) quiet(command, context).helpOption('-h, --help', 'print this page');
  return program;
}

function addTrain(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('train')
    .summary('train a preset or your own experiment')
    .description('Trains a preset or the experiment of a module on the cores of this machine.')
    .argument('[preset | file]', `a preset's name, or a module in JavaScript or TypeScript (default: ${DEFAULT_PRESET})`)
    .optionsGroup('Training:')
    .option(...WORKERS)
    .option('--epochs <n>', 'passes over the training data (default: as the experiment says)')
    .option('--batch-size <n>', 'examples a step, or all (default: as the experiment says)')
    .option('--shard-size <n>', 'examples a shard (default: from the batch size)')
    .option('--optimizer <name>', `${OPTIMIZERS.join(', ')} (default: adam)`)
    .option('--learning-rate <x>', 'a number above 0 (default: 0.01 for sgd, momentum, nesterov and adagrad, else 0.001)')
    .option(...SEED)
    .option('--mode <mode>', `${MODES.join(', ')} (default: sync, which alone is exact)`)
    .option('--staleness <n>', 'mode stale: versions that the parameters of a share may be old, 0 to 16 (default: 1)')
    .option('--period <n>', 'mode local: steps of its own that a machine makes between two exchanges (default: 16)')
    .option('--outer-learning-rate <x>', 'mode local: rate of the update that joins the results (default: 1)')
    .option('--outer-momentum <x>', 'mode local: momentum of that update, from 0 on and below 1 (default: 0)')
    .option('--early-stopping <n>', 'stop when the validation loss has not improved for n epochs')
    .option(...KERNELS)
    .optionsGroup('Data:')
    .option('--train-examples <n>', 'train on the first n examples only')
    .option(...TEST_EXAMPLES)
    .option(...FETCH)
    .optionsGroup('What is kept:')
    .option('--out <folder>', 'keep a checkpoint after every epoch, and a report')
    .option(...OVERWRITE)
    .option('--checkpoint-every <n>', 'keep one every n steps too')
    .option('--resume <folder>', 'go on with the run in a folder; only --workers, a larger --epochs, --serve and --out may differ')
    .optionsGroup('Other machines:')
    .option('--serve [address]', 'let machines join, at [host:]port; without host on this machine alone; alone beside --resume: where it was')
    .option(...HOST, repeated)
    .option(...ANNOUNCE)
    .option(...KEY_FILE)
    .option('--metrics-key-file <path>', 'a file with the key of /metrics, of the same form (default: drawn for the run)')
    .option('--event-log <path>', 'a file for everything that happens with nodes, a line each (default: events.jsonl in the folder of the run)')
    .option('--quorum <n>', 'wait for n nodes before the first step, and whenever there are fewer (default: 0; 1 with --workers 0)')
    .option('--backup', 'let idle nodes compute again what a slow one still owes of a step')
    .option('--audit <p>', 'compute a part of the nodes\' shares, 0 to 1, a second time and compare the bytes (default: 0)')
    .option('--check-shares', 'compute a share again whose gradient is far longer or shorter than the others\'')
    .option('--chaos', 'let an operator freeze, slow and drop nodes on the page, for people to see what comes of it')
    .option('--codec <codec>', `how values go over the wire: ${CODEC_NAMES.join(', ')}, or toNode=<codec>,toCoordinator=<codec> (default: float32)`)
    .option(...TLS_CERT)
    .option(...TLS_KEY)
    .option(...INSECURE)
    .optionsGroup('Output:')
    .option(...JSON_LINES)
    .option(...QUIET)
    .addHelpText('after', HELP_AFTER.train)
    .action(async (target: string | undefined, raw: RawOptions) => {
      const { parseTrainOptions } = await import('./options.js');
      const options = parseTrainOptions(raw);
      const { runTrain } = await import('./train.js');
      finish(await runTrain(target, options, context));
    });
}

function addEvaluate(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('evaluate')
    .summary('test a kept model')
    .description('Tests the model of a checkpoint on the test examples of its experiment.')
    .argument('<folder>', 'the --out of a run')
    .option(...WORKERS)
    .option(...TEST_EXAMPLES)
    .option(...KERNELS)
    .option(...FETCH)
    .option(...JSON_LINES)
    .option(...QUIET)
    .addHelpText('after', HELP_AFTER.evaluate)
    .action(async (folder: string, raw: RawOptions) => {
      const { parseEvaluateOptions } = await import('./options.js');
      const options = parseEvaluateOptions(raw);
      const { runEvaluate } = await import('./evaluate.js');
      finish(await runEvaluate(folder, options, withoutRemarks(context, options.quiet)));
    });
}

function addPredict(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('predict')
    .summary('apply a kept model to rows of a file')
    .description('Applies the model of a checkpoint to every example of a file.')
    .argument('<folder>', 'the --out of a run')
    .argument('<file>', 'IDX or CSV, one example a row, or a PNG picture')
    .option(...WORKERS)
    .option(...KERNELS)
    .option('--invert', 'a picture with dark strokes on a light ground: black becomes white')
    .option(...JSON_LINES)
    .addHelpText('after', HELP_AFTER.predict)
    .action(async (folder: string, file: string, raw: RawOptions) => {
      const { parsePredictOptions } = await import('./options.js');
      const options = parsePredictOptions(raw);
      const { runPredict } = await import('./predict.js');
      finish(await runPredict(folder, file, options, context));
    });
}

function addReport(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('report')
    .summary('compare kept runs in one page')
    .description('Compares kept runs in one HTML page: where their options differ, their results, and their curves in one chart each.')
    .argument('<folder...>', 'the --out of each run')
    .option('--out <file>', 'the page to write (default: comparison.html)')
    .addHelpText('after', HELP_AFTER.report)
    .action(async (folders: string[], raw: RawOptions) => {
      const { parseReportOptions } = await import('./options.js');
      const options = parseReportOptions(raw);
      const { runReport } = await import('./report.js');
      finish(await runReport(folders, options, context));
    });
}

function addInit(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('init')
    .summary('write an experiment to begin with')
    .description('Writes a commented experiment file, which trains as it is; a file that exists is left alone.')
    .argument('[file]', 'a module, TypeScript where it ends in .ts (default: experiment.js)')
    .addHelpText('after', HELP_AFTER.init)
    .action(async (file: string | undefined) => {
      const { runInit } = await import('./init.js');
      finish(runInit(file ?? 'experiment.js', context));
    });
}

function addLesson(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('lesson')
    .summary('run an experiment that shows how networks learn')
    .description('Runs a short experiment, prints what it found, and writes a page with its plots, formulas and code; without a name, lists them all.')
    .argument('[name | number]', 'one of the list')
    .option('--dataset <name>', `images that it works on: ${DATASETS.join(', ')} (default: ${DATASETS[0]})`)
    .option(...SEED)
    .option('--quick', 'a tenth of the work, for a first look')
    .option(...FETCH)
    .option('--out <directory>', 'where the page goes, with its plots and their data (default: runs/lessons/<name>, whose old page is replaced)')
    .option(...OVERWRITE)
    .option(...JSON_LINES)
    .option(...QUIET)
    .addHelpText('after', HELP_AFTER.lesson)
    .action(async (name: string | undefined, raw: RawOptions) => {
      const { parseLessonOptions } = await import('./options.js');
      const options = parseLessonOptions(raw);
      const { runLesson } = await import('./lesson.js');
      finish(await runLesson(name, options, context));
    });
}

function addBench(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('bench')
    .summary('measure examples per second')
    .description('Measures examples per second of two networks with one and two workers beside other programs, memory and start-up; or, with --scaling, how speed grows with workers, nodes and mini-batches.')
    .option('--model <name>', `${BENCH_MODELS.join(', ')} or all (default: all)`)
    .option('--rounds <n>', 'runs of each, of which the median is shown (default: 5)')
    .option('--seconds <x>', 'length of a run (default: 1)')
    .option('--peers <list>', 'all, none, or names with commas between them (default: all; none beside --scaling)')
    .option('--node <path>', 'measure under this Node.js too; may be repeated', repeated)
    .option('--cluster', 'measure what a node on another machine is worth instead')
    .optionsGroup('Scaling:')
    .option('--scaling [parts]', `measure how speed grows instead: ${SCALING_PARTS.join(', ')}, with commas between them, or all (default: workers)`)
    .option('--sizes <list>', `networks of the report: ${BENCH_SIZES.join(', ')} or all (default: all)`)
    .option('--worker-counts <list>', 'workers of the report, such as 1,2,4 (default: powers of two up to all cores)')
    .option('--batches <list>', 'mini-batches of the part batches (default: 32,128,512,2048)')
    .option('--accuracy <x>', 'validation accuracy of the part accuracy, of which the time is taken (default: 0.85)')
    .option('--out <dir>', 'where the report goes: page, charts, CSV and JSON')
    .option(...OVERWRITE)
    .option('--compare <files...>', 'the bench.json of two reports: what became faster, and whether that exceeds the noise')
    .optionsGroup('Options:')
    .option('--data <folder>', 'where the files of Fashion-MNIST are (default: where train finds them)')
    .option(...FETCH)
    .option(...JSON_LINES)
    .option(...QUIET)
    .addHelpText('after', HELP_AFTER.bench)
    .action(async (raw: RawOptions) => {
      const { parseBenchOptions } = await import('./options.js');
      const options = parseBenchOptions(raw);
      const { runBench } = await import('./bench.js');
      finish(await runBench(options, withoutRemarks(context, options.quiet)));
    });
}

function addDoctor(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('doctor')
    .summary('show what this machine and a link offer')
    .description('Shows what this machine offers for training, and what is missing; with a join link also what the link offers, and whether another machine, a larger mini-batch, a codec or local would help.')
    .argument('[link]', 'the join link that a coordinator printed')
    .option('--size <name>', `network whose step is measured for the advice: ${BENCH_SIZES.join(', ')} (default: mlp)`)
    .option('--batch <n>', 'its mini-batch, 1 to 15000 (default: as its preset says)')
    .addHelpText('after', HELP_AFTER.doctor)
    .action(async (link: string | undefined, raw: RawOptions) => {
      const { parseDoctorOptions } = await import('./options.js');
      const options = parseDoctorOptions(raw);
      const { runDoctor } = await import('./doctor.js');
      finish(await runDoctor(link, options, context));
    });
}

function addJoin(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('join')
    .summary('help a run on another machine')
    .description('Computes for the run behind a join link, with data and plan that it gets from there.')
    .argument('[link]', 'the join link that the coordinator printed; without it, those that are announced on this network are looked for')
    .optionsGroup('Joining:')
    .option(...WORKERS)
    .option('--once', 'end when the run has come to its end')
    .option('--give-up-after <s>', 'seconds without a connection after which to end (default: never)')
    .option('--data <way>', 'keep the columns of the run, or have just the rows of each assignment sent: columns or rows (default: columns)')
    .option(...KEY_FILE)
    .optionsGroup('Being a relay:')
    .option('--serve <address>', 'be a relay: hand the work on to nodes that join at [host:]port, beside --workers of this machine, and pass their sums up')
    .option(...HOST, repeated)
    .option(...ANNOUNCE)
    .option(...TLS_CERT)
    .option(...TLS_KEY)
    .optionsGroup('Options:')
    .option(...INSECURE)
    .option(...QUIET)
    .addHelpText('after', HELP_AFTER.join)
    .action(async (link: string | undefined, raw: RawOptions) => {
      const { parseJoinOptions } = await import('./options.js');
      const options = parseJoinOptions(raw);
      const { runJoin } = await import('./join.js');
      finish(await runJoin(link, options, withoutRemarks(context, options.quiet)));
    });
}

function addReplay(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('replay')
    .summary('read the event log of a served run')
    .description('Reads the event log of a run that others joined: who computed what, and whether every shard counted exactly once.')
    .argument('<file>', 'the event log, events.jsonl in the folder of the run')
    .option(...JSON_LINES)
    .addHelpText('after', HELP_AFTER.replay)
    .action(async (file: string, raw: RawOptions) => {
      const { parseReplayOptions } = await import('./options.js');
      const options = parseReplayOptions(raw);
      const { runReplay } = await import('./replay.js');
      finish(await runReplay(file, options, context));
    });
}

function addOperate(program: Command, context: Context, finish: (status: number) => void): void {
  program
    .command('operate')
    .summary('pause, resume, checkpoint or stop a run that serves')
    .description('Has a run that serves carry out a command, at the end of its step.')
    .argument('<link>', "the operator's link that the coordinator printed")
    .argument('<command>', OPERATIONS.join(', '))
    .option(...KEY_FILE)
    .option(...INSECURE)
    .addHelpText('after', HELP_AFTER.operate)
    .action(async (link: string, command: string, raw: RawOptions) => {
      const { parseOperateOptions, parseOperation } = await import('./options.js');
      const [operation, options] = [parseOperation(command), parseOperateOptions(raw)];
      const { runOperate } = await import('./operate.js');
      finish(await runOperate(link, operation, options, context));
    });
}

function addCompletion(program: Command, finish: (status: number) => void): void {
  program
    .command('completion')
    .summary('write the script that completes commands in a shell')
    .description('Writes a script for a shell, which then completes commands, options, presets, values and files at the tab key.')
    .argument('<shell>', SHELLS.join(', '))
    .addHelpText('after', HELP_AFTER.completion)
    .action(async (shell: string) => {
      const { runCompletion } = await import('./completion.js');
      finish(await runCompletion(shell, program));
    });
  program
    .command('complete', { hidden: true }) // which that script calls
    .argument('[words...]')
    .action(async (words: string[]) => {
      const { runComplete } = await import('./completion.js');
      finish(await runComplete(words, program));
    });
}

const repeated = (value: string, values: string[] = []): string[] => [...values, value];

function unknownCommand(typed: string | undefined, known: readonly string[]): Error {
  const sentence = typed === undefined ? `say what to do: ${known.join(', ')};` : notOneOf(typed, 'a command', known);
  return inputError('ERR_COMMAND', `${sentence} see tensorflock --help.`);
}

/** Lets errors be thrown, and text go where the context says. */
function quiet(command: Command, context: Context): Command {
  return command.exitOverride().configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: () => undefined,
  });
}
