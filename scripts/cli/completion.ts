import { readdirSync } from 'node:fs';
import tab from '@bomb.sh/tab/commander';
import type { RootCommand } from '@bomb.sh/tab';
import { Command } from 'commander';
import { LESSONS } from '../../examples/lessons/index.js';
import { CODEC_NAMES } from '../../src/codecs/choice.js';
import { inputError } from '../../src/errors.js';
import { BENCH_MODELS, DATA_CHOICES, DATASETS, FETCH_CHOICES, KERNEL_CHOICES, MODES, BENCH_SIZES, OPERATIONS, OPTIMIZERS, PEER_IDS, SCALING_PARTS, SHELLS, type Shell } from './choices.js';
import { notOneOf } from './nearest.js';
import { PRESETS } from './presets.js';

/** Words that options and arguments accept, by what stands in the help for them. */
export const OPTION_CHOICES: Readonly<Record<string, readonly string[]>> = {
  '--optimizer <name>': OPTIMIZERS,
  '--mode <mode>': MODES,
  '--kernels <build>': KERNEL_CHOICES,
  '--fetch <source>': FETCH_CHOICES,
  '--codec <codec>': CODEC_NAMES,
  '--dataset <name>': DATASETS,
  '--data <way>': DATA_CHOICES,
  '--model <name>': [...BENCH_MODELS, 'all'],
  '--scaling [parts]': [...SCALING_PARTS, 'all'],
  '--size <name>': BENCH_SIZES,
  '--sizes <list>': [...BENCH_SIZES, 'all'],
  '--peers <list>': ['all', 'none', ...PEER_IDS],
};
export const ARGUMENT_CHOICES: Readonly<Record<string, readonly string[]>> = {
  'preset | file': Object.keys(PRESETS),
  'name | number': LESSONS.map(({ name }) => name),
  command: OPERATIONS,
  shell: SHELLS,
};

/** Arguments and values that name something on the disk. */
const IS_PATH = /file|folder|path|directory/;

/** The scripts ask for it, and it comes with a package that not everybody has. */
const WORDS_OF_BASH = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
        cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
    }
fi
`;

/** `tensorflock completion <shell>`: the script that makes a shell ask `tensorflock complete`. @throws ERR_OPTION */
export async function runCompletion(shell: string, program: Command): Promise<number> {
  if (!(SHELLS as readonly string[]).includes(shell)) throw inputError('ERR_OPTION', notOneOf(shell, 'a shell with completion', SHELLS));
  if ((shell as Shell) === 'bash') process.stdout.write(WORDS_OF_BASH);
  describe(program).setup(program.name(), program.name(), shell);
  return 0;
}

/** What the shells call: prints what may stand in the place of the last of the words. */
export async function runComplete(words: readonly string[], program: Command): Promise<number> {
  const root = describe(program);
  completePaths(root, words.at(-1) ?? '');
  root.parse([...words]);
  return 0;
}

/** The program as the package describes it, from a copy: it would add commands of its own, with pages of their own, to the real one. */
function describe(program: Command): RootCommand {
  const copy = new Command(program.name()).helpCommand(false);
  for (const command of program.createHelp().visibleCommands(program)) {
    command.description(command.summary()); // which is short enough to stand beside the words
    // Choices of commander's would check the values too, in other sentences than ours.
    for (const option of command.options) option.argChoices = [...(OPTION_CHOICES[option.flags] ?? [])];
    for (const argument of command.registeredArguments) argument.argChoices = [...(ARGUMENT_CHOICES[argument.name()] ?? [])];
    if (command.name() !== 'completion') copy.addCommand(command);
  }
  return tab(copy, { completionCommandName: 'completion' });
}

/** The shells are told what there is in place of being asked for files: an argument may be a preset or a file. */
function completePaths(root: RootCommand, typed: string): void {
  const begun = typed.includes('=') ? typed.slice(typed.indexOf('=') + 1) : typed;
  const paths = (complete: (value: string, description: string) => void): void => { for (const path of pathsFrom(begun)) complete(path, ''); };
  for (const command of root.commands.values()) {
    for (const argument of command.arguments.values()) {
      const { handler } = argument;
      if (IS_PATH.test(argument.name)) argument.handler = (complete, options) => { handler?.call(argument, complete, options); paths(complete); };
    }
    for (const option of command.options.values()) if (PATH_OPTIONS.has(option.value)) option.handler = paths;
  }
}

const PATH_OPTIONS = new Set(['out', 'resume', 'key-file', 'metrics-key-file', 'event-log', 'tls-cert', 'tls-key', 'node', 'compare']);

/** What lies in the folder that a path has come to; hidden files only where a dot was typed. */
function pathsFrom(begun: string): string[] {
  const folder = begun.slice(0, begun.lastIndexOf('/') + 1);
  const isHidden = begun.slice(folder.length).startsWith('.');
  try {
    const entries = readdirSync(folder === '' ? '.' : folder, { withFileTypes: true });
    return entries.filter(({ name }) => name.startsWith('.') === isHidden).map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
  } catch {
    return []; // no such folder yet, or not ours to read
  }
}
