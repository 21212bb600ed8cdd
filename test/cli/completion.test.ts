import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ARGUMENT_CHOICES, OPTION_CHOICES } from '../../scripts/cli/completion.js';
import type { Context } from '../../scripts/cli/context.js';
import { PRESETS } from '../../scripts/cli/presets.js';
import { createProgram } from '../../scripts/cli/program.js';
import { LESSONS } from '../../examples/lessons/index.js';
import { PROGRAM, tensorflock, temporaryFolder } from './command.js';

/** What a shell is offered for the last of the words, which a line with a number closes. */
function offered(folder: string, ...words: string[]): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'complete', '--', ...words], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^:\d+\n$/m);
  return stdout.trimEnd().split('\n').slice(0, -1).map((line) => line.split('\t')[0]!);
}

describe('what a shell is offered', () => {
  const folder = temporaryFolderOfFiles();

  test.each<[string[], readonly string[]]>([
    [['tra'], ['train']],
    [['train', 'mnist'], ['mnist-mlp', 'mnist-linear']],
    [['train', 'exp'], ['experiment.ts']],
    [['train', ''], [...Object.keys(PRESETS), 'experiment.ts', 'runs/']],
    [['train', '--mode', ''], ['sync', 'stale', 'async', 'local']],
    [['train', '--mode', 's'], ['sync', 'stale']],
    [['train', '--codec=bf'], ['bfloat16']],
    [['train', 'mnist-mlp', '--outer'], ['--outer-learning-rate', '--outer-momentum']],
    [['train', '--out', 'runs/'], ['runs/first/']],
    [['evaluate', 'r'], ['runs/']],
    [['lesson', ''], LESSONS.map(({ name }) => name)],
    [['operate', 'http://x', 'p'], ['pause']],
    [['completion', ''], ['zsh', 'bash', 'fish', 'powershell']],
    [['comple'], ['completion']],
    [['join', '--data', ''], ['columns', 'rows']],
  ])('for %j', (words, expected) => {
    expect(offered(folder(), ...words)).toEqual(expected);
  });

  test('words that are offered are those of options and arguments that there are', () => {
    const nowhere = { write: () => true };
    const { commands } = createProgram({ stdout: nowhere, stderr: nowhere } as unknown as Context, () => undefined);
    const [flags, names] = [commands.flatMap(({ options }) => options.map((option) => option.flags)), commands.flatMap(({ registeredArguments }) => registeredArguments.map((argument) => argument.name()))];
    expect(Object.keys(OPTION_CHOICES).filter((each) => !flags.includes(each))).toEqual([]);
    expect(Object.keys(ARGUMENT_CHOICES).filter((each) => !names.includes(each))).toEqual([]);
  });
});

/** Made when the first test asks, and gone with it. */
function temporaryFolderOfFiles(): () => string {
  return () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'runs', 'first'), { recursive: true });
    writeFileSync(join(folder, 'experiment.ts'), '');
    writeFileSync(join(folder, '.hidden'), '');
    return folder;
  };
}

/** A program in each shell that takes its script and completes a line, and what it comes to. */
const COMPLETING: Readonly<Record<string, { readonly program: string; readonly printed: RegExp }>> = {
  bash: {
    program: `
      source <(tensorflock completion bash); COMP_WORDS=(tensorflock train --mode s); COMP_CWORD=3; compopt() { :; }
      completing=$(complete -p tensorflock | sed "s/.*-F \\([^ ]*\\).*/\\1/"); $completing; printf '%s\\n' "\${COMPREPLY[@]}"`,
    printed: /^sync\nstale\n$/,
  },
  fish: {
    program: 'tensorflock completion fish | source; complete -C "tensorflock train --mode s"; complete -C "tensorflock repo"',
    printed: /^stale\nsync\nreport\tcompare kept runs in one page\n$/,
  },
  // A shell at a terminal of its own, where the tab key is pressed; typed in pieces, so that what it echoes is not taken for what it answers.
  zsh: {
    program: `
      zmodload zsh/zpty; zpty shell 'zsh -f -i'
      zpty -w shell 'autoload -Uz compinit; compinit -D -u; source <(tensorflock completion zsh); print is-s''et'; zpty -r shell out '*is-set*'
      zpty -w -n shell $'tensorflock train --optimizer adag\\t'; zpty -r shell out '*adagrad*'; zpty -d shell; print -r -- "$out"`,
    printed: /tensorflock train --optimizer adagrad/,
  },
};

test.for(Object.entries(COMPLETING))('%s completes with the script that it is given', ([shell, { program, printed }], context) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'tensorflock'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(join(folder, 'tensorflock'), 0o755);
  const { error, stdout, stderr } = spawnSync(shell, ['-c', program], {
    encoding: 'utf8', cwd: folder, timeout: 60_000, env: { ...process.env, HOME: folder, PATH: `${folder}:${process.env['PATH'] ?? ''}` },
  });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return context.skip(`${shell} is not on this machine`);
  expect(stderr).toBe('');
  expect(stdout).toMatch(printed);
});

test.each(['bash', 'zsh', 'fish', 'powershell'])('the script for %s asks the command', (shell) => {
  const { status, stdout, stderr } = tensorflock('completion', shell);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/tensorflock'? complete\b/);
});

test('another shell is refused with the nearest', () => {
  expect(tensorflock('completion', 'zhs')).toEqual({ status: 2, stdout: '', stderr: '"zhs" is not a shell with completion; did you mean zsh (of bash, zsh, fish, powershell)?\n' });
});
