import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROGRAM, temporaryFolder, tensorflock, type Ended } from './command.js';

/** The contract: one sentence on standard error, nothing on standard output, status 2, no stack. */
function expectRefusal({ status, stdout, stderr }: Ended, sentence: string | RegExp): void {
  expect(stderr).toMatch(sentence);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stdout).toBe('');
  expect(status).toBe(2);
}

describe('options', () => {
  test.each([
    ['--workers', '0', '--workers must be "auto" or a whole number from 1 to 64, not "0".'],
    ['--workers', '65', '--workers must be "auto" or a whole number from 1 to 64, not "65".'],
    ['--workers', '1.5', 'not "1.5".'],
    ['--workers', 'many', 'not "many".'],
    ['--batch-size', '0', '--batch-size must be "all" or a whole number of at least 1, not "0".'],
    ['--batch-size', '-3', 'not "-3".'],
    ['--batch-size', '1e2', 'not "1e2".'],
    ['--shard-size', '0', '--shard-size must be a whole number of at least 1, not "0".'],
    ['--epochs', '-1', '--epochs must be a whole number of at least 1, not "-1".'],
    ['--epochs', '0x10', 'not "0x10".'],
    ['--seed', 'x', '--seed must be a whole number from 0 to 4294967295, not "x".'],
    ['--seed', '', 'not "".'],
    ['--seed', '4294967296', 'not "4294967296".'],
    ['--learning-rate', 'fast', '--learning-rate must be a number above 0, such as 0.001, not "fast".'],
    ['--learning-rate', '0', 'not "0".'],
    ['--learning-rate', '1e999', 'not "1e999".'],
    ['--learning-rate', 'Infinity', 'not "Infinity".'],
    ['--train-examples', '0', '--train-examples must be a whole number of at least 1'],
    ['--test-examples', '-1', '--test-examples must be a whole number of at least 1'],
    ['--checkpoint-every', '0', '--checkpoint-every must be a whole number of at least 1'],
    ['--early-stopping', 'soon', '--early-stopping must be a whole number of at least 0'],
    ['--optimizer', 'adamm', '--optimizer "adamm" is not an optimizer; did you mean adam ('],
    ['--codec', 'int4', '--codec "int4" is not a codec; did you mean int8 (of float32, float16, bfloat16, int8, topk)?'],
    ['--codec', 'toNode=topk', '--codec must be toNode=<codec>,toCoordinator=<codec> of float32, float16, bfloat16, int8, topk, without topk to nodes, not "toNode=topk".'],
    ['--codec', 'int8', '--codec is for a run that others join; give --serve too.'],
    ['--mode', 'snyc', '--mode "snyc" is not a mode; did you mean sync ('],
    ['--staleness', '2', '--staleness is of the mode stale; give --mode stale too.'],
    ['--staleness', '17', '--staleness must be a whole number from 0 to 16, not "17".'],
    ['--period', '4', '--period is of the mode local; give --mode local too.'],
    ['--period', '0', '--period must be a whole number from 1 to 1000000, not "0".'],
    ['--outer-momentum', '0.9', '--outer-momentum is of the mode local; give --mode local too.'],
    ['--outer-momentum', '1', '--outer-momentum must be a number from 0 on and below 1, not "1".'],
    ['--outer-learning-rate', '11', '--outer-learning-rate must be a number above 0 and at most 10, not "11".'],
    ['--kernels', 'native', '--kernels native is not available in this version; use --kernels auto.'],
    ['--kernels', 'fast', '--kernels "fast" is not a build of the kernels; did you mean'],
    ['--fetch', 'ap', '--fetch "ap" is not a source; did you mean apt ('],
    ['--serve', 'nonsense', '--serve'],
    ['--out', '', '--out needs the name of a folder.'],
    ['--key-file', 'key', '--key-file is for a run that others join; give --serve too.'],
    ['--host', 'trainer.lan', '--host is for a run that others join; give --serve too.'],
    ['--tls-cert', 'cert.pem', '--tls-cert is for a run that others join; give --serve too.'],
    ['--quorum', '2', '--quorum is for a run that others join; give --serve too.'],
    ['--quorum', '-1', '--quorum must be a whole number from 0 to 1000, not "-1".'],
    ['--audit', '0.5', '--audit is for a run that others join; give --serve too.'],
    ['--audit', '1.5', '--audit must be a number from 0 to 1, such as 0.01, not "1.5".'],
    ['--audit', 'all', '--audit must be a number from 0 to 1, such as 0.01, not "all".'],
  ])('%s "%s" is refused', (option, value, sentence) => {
    expectRefusal(tensorflock('train', 'fashion-mnist-mlp', option, value), sentence);
  });

  test('an unknown option is refused with the nearest one', () => {
    expectRefusal(tensorflock('train', '--worker', '3'), "unknown option '--worker' (Did you mean --workers?); see tensorflock train --help.");
  });

  test('--serve without an address is for runs that were served before', () => {
    expectRefusal(tensorflock('train', 'fashion-mnist-mlp', '--serve'), '--serve needs [host:]port, such as 8080; only beside --resume it may stand alone.');
  });

  test('an option without its value is refused', () => {
    expectRefusal(tensorflock('train', '--resume'), "option '--resume <folder>' argument missing; see tensorflock train --help.");
  });
});

describe('commands', () => {
  test.each([
    [['trian'], '"trian" is not a command; did you mean train ('],
    [[], 'say what to do: train, evaluate, predict, report, init, lesson, bench, doctor, join, replay, operate, completion; see tensorflock --help.'],
    [['--frobnicate'], "unknown option '--frobnicate'; see tensorflock --help."],
    [['join', 'http://127.0.0.1:1/#k=x', '--data', 'row'], '--data "row" is not a way to come to the data; did you mean rows (of columns, rows)?'],
    [['join', 'http://127.0.0.1:1/#k=x', '--once'], 'The key of the link is no unpadded base64url'],
    [['join', 'http://127.0.0.1:1/', '--key-file', '/nowhere/key', '--once'], 'The key of the file /nowhere/key cannot be read (ENOENT)'],
    [['train', 'fashion-mnist-mlp', '--serve', '127.0.0.1:0', '--audit', '0.1', '--codec', 'bfloat16'], '--audit compares shares byte for byte, and only --mode sync with --codec float32'],
    [['train', 'fashion-mnist-mlp', '--serve', '127.0.0.1:0', '--key-file', '/nowhere/key'], 'The key of the file /nowhere/key cannot be read (ENOENT)'],
    [['join', 'http://127.0.0.1/#k=lQn0ScHdfVJN7DzJlNRIgA'], 'port'],
    [['train', '--announce'], '--announce is for a run that others join; give --serve too.'],
    [['train', '--insecure'], '--insecure is for a run that others join; give --serve too.'],
    [['train', '--serve', '127.0.0.1:0', '--announce'], '--announce tells other machines of 127.0.0.1, which none of them reaches; serve on 0.0.0.0:port, or leave it out.'],
    [['train', '--serve', '127.0.0.1:0', '--host', 'http://trainer.lan'], '--host "http://trainer.lan" is no host name; give one such as trainer.lan, without scheme and port.'],
    [['train', '--serve', '127.0.0.1:0', '--host', '1.2.3.4.5'], '--host "1.2.3.4.5" is no host name'],
    [['train', '--serve', '127.0.0.1:0', '--tls-cert', 'cert.pem'], '--tls-cert and --tls-key belong together; give both, or neither.'],
    [['train', '--serve', '127.0.0.1:0', '--tls-cert', '/nowhere/cert', '--tls-key', '/nowhere/key'], /^--tls-(cert|key) \/nowhere\/(cert|key) cannot be read \(ENOENT\); give the path of a PEM file\.$/m],
    [['train', '--serve', '127.0.0.1:0', '--tls-cert', PROGRAM, '--tls-key', PROGRAM], 'The certificate and the private key of this coordinator do not go together'],
    [['train', '--serve', '127.0.0.1:0', '--insecure', '--key-file', 'key'], '--insecure asks for no key, and --key-file gives one; leave out the one or the other.'],
    [['join', 'http://127.0.0.1:1/#insecure', '--insecure', '--key-file', 'key'], '--insecure asks for no key, and --key-file gives one'],
    [['join', 'http://127.0.0.1:1/#insecure'], 'The run at 127.0.0.1:1 asks for no key, and whoever is on the network can read and change what it sends; type --insecure to join it all the same.'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--workers', '0'], '--workers must be "auto" or a whole number from 1 to 64, not "0".'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--give-up-after', '0'], '--give-up-after must be a number above 0'],
    [['operate', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', 'halt'], '"halt" is not a command to a run; did you mean'],
    [['operate', 'http://127.0.0.1:1/#insecure', 'stop'], 'type --insecure to join it all the same.'],
    [['join', '--key-file', '/nowhere/key'], 'The key of the file /nowhere/key cannot be read (ENOENT)'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--tls-cert', 'cert.pem'], '--tls-cert is for a relay; give --serve too.'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--serve', '0', '--tls-cert', 'cert.pem'], '--tls-cert and --tls-key belong together'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--serve', '0', '--data', 'rows'], '--data rows keeps nothing of the data, which a relay hands on'],
    [['join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--serve', 'x:y'], 'The coordinator cannot listen on x:y: it is not of the form [host:]port'],
    [['join', 'http://127.0.0.1:1/?k=lQn0ScHdfVJN7DzJlNRIgA'], 'key'],
    [['evaluate'], "missing required argument 'folder'; see tensorflock evaluate --help."],
    [['predict', 'run'], "missing required argument 'file'; see tensorflock predict --help."],
    [['train', 'a', 'b'], "too many arguments for 'train'"],
    [['bench', '--rounds', '0'], '--rounds must be a whole number of at least 1, not "0".'],
    [['bench', '--seconds', '0'], '--seconds must be a number above 0, such as 0.001, not "0".'],
    [['bench', '--model', 'mpl'], '--model "mpl" is not a model; did you mean mlp ('],
    [['bench', '--peers', 'torch-1,torhc-2'], '--peers "torhc-2" is not a peer; did you mean torch-2 ('],
    [['bench', '--peers', ''], '--peers "" is not a peer'],
    [['bench', '--node', '/nowhere/node'], '--node "/nowhere/node" is no Node.js (ENOENT); give the path of its program'],
    [['bench', '--node', '/bin/echo'], '--node "/bin/echo" is no Node.js (it answers --version with no version of it)'],
    [['bench', '--data', '/nowhere'], '--data "/nowhere" has no train-images-idx3-ubyte.gz; give a folder with the four files'],
  ])('tensorflock %j is refused', (args, sentence) => {
    expectRefusal(tensorflock(...args), sentence);
  });
});

describe('experiments', () => {
  test('a mistyped preset is refused with the nearest one', () => {
    expectRefusal(tensorflock('train', 'fashion-mnist-mpl'), '"fashion-mnist-mpl" is not a preset; did you mean fashion-mnist-mlp (');
  });

  test.each([
    ['missing.js', undefined, 'there is no file'],
    ['experiment.tsx', 'export {}', 'is not a module; give a .js, .mjs, .cjs, .ts, .mts, .cts file.'],
    ['experiment.ts', 'export {}', 'exports no experiment; write "export default defineExperiment({ model, data })" with two functions.'],
    ['broken.ts', 'const one: number = 1;\nconst two = = 2;\n', /broken\.ts cannot be loaded \(Unexpected token, line 2\); correct it and run again\.$/m],
    ['throws.mts', 'interface Unused { readonly one: number }\n\nthrow new Error("out of luck");\n', /throws\.mts cannot be loaded \(out of luck, line 3\); correct it and run again\.$/m],
    ['imports.ts', "import 'no-such-package';\n", /imports\.ts cannot be loaded \(Cannot find module 'no-such-package'/],
    ['empty.mjs', 'export const model = 1;', 'exports no experiment; write "export default defineExperiment({ model, data })"'],
    ['half.mjs', 'export default { model() {} };', 'exports no experiment'],
    ['broken.mjs', 'export default {', 'cannot be loaded (Unexpected end of input)'],
    ['throws.mjs', 'throw new Error("no such thing");', 'cannot be loaded (no such thing, line 1)'],
  ])('the file %s is refused', (name, text, sentence) => {
    const file = join(temporaryFolder(), name);
    if (text !== undefined) writeFileSync(file, text);
    expectRefusal(tensorflock('train', file), sentence);
  });
});

describe('folders', () => {
  test('an --out below a file is refused and nothing is made', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    expectRefusal(tensorflock('train', '--out', join(folder, 'file', 'run')), /--out .*run cannot be a folder because .*file is a file/);
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('an --out that holds a run is refused with the ways on', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'run.json'), '{}');
    expectRefusal(tensorflock('train', '--out', folder), /holds an earlier run; go on with it by --resume .*, replace it by --overwrite, or choose another folder/);
  });

  test('--overwrite does not replace what is not a run', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'thesis.tex'), 'years of work');
    expectRefusal(tensorflock('train', '--out', folder, '--overwrite'), 'holds files that are not a run');
    expect(existsSync(join(folder, 'thesis.tex'))).toBe(true);
  });

  test.each(['train --resume', 'evaluate', 'predict'])('%s of a folder without a checkpoint is refused', (command) => {
    const folder = join(temporaryFolder(), 'nothing-here');
    const file = command === 'predict' ? ['rows.csv'] : [];
    expectRefusal(tensorflock(...command.split(' '), folder, ...file), 'holds no checkpoint');
    expect(existsSync(folder)).toBe(false);
  });

  test.each(['train --resume', 'evaluate'])('%s of a file is refused', (command) => {
    const file = join(temporaryFolder(), 'report.html');
    writeFileSync(file, 'of a run');
    expectRefusal(tensorflock(...command.split(' '), file), `${file} is no folder`);
  });

  test('--resume of a torn checkpoint is refused', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'torn'));
    writeFileSync(join(folder, 'torn', 'run.json'), '{');
    expectRefusal(tensorflock('train', '--resume', join(folder, 'torn')), 'run.json is not whole');
  });
});

test('a coordinator that is away is dialled until it is time to give up, and the last sentence says why', () => {
  const { status, stdout, stderr } = tensorflock('join', 'http://127.0.0.1:1/#k=lQn0ScHdfVJN7DzJlNRIgA', '--give-up-after', '0.6');
  expect(stderr).toMatch(/^Nothing answers at 127\.0\.0\.1:1: no program listens there; dialling again in 0\.[2-5] s\nNothing answers at 127\.0\.0\.1:1: no program listens there\.\n$/);
  expect(stdout).toBe('');
  expect(status).toBe(1);
});
