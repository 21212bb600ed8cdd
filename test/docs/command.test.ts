import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import type { Context } from '../../scripts/cli/context.js';
import { PRESETS } from '../../scripts/cli/presets.js';
import { createProgram } from '../../scripts/cli/program.js';
import { codeBlocks, README } from './documents.js';
import { PARSERS } from './parsers.js';

/** A program whose output nobody reads; it is asked for its options and runs nothing. */
function program(): Command {
  const nowhere = { write: () => true };
  return createProgram({ stdout: nowhere, stderr: nowhere } as unknown as Context, () => undefined);
}

/** Option, commands and meaning, as the rows of the README's table. */
function optionRows(): string[] {
  const rows = new Map<string, { readonly meaning: string; readonly commands: string[] }>();
  for (const command of program().commands) {
    for (const { flags, description, hidden } of command.options) {
      if (hidden) continue;
      const row = rows.get(flags) ?? { meaning: description, commands: [] };
      expect(description).toBe(row.meaning);
      row.commands.push(command.name());
      rows.set(flags, row);
    }
  }
  return [...rows].map(([flags, { commands, meaning }]) => `| \`${flags}\` | ${commands.join(', ')} | ${meaning} |`);
}

test('the table of options is that of the program, word for word', () => {
  const documented = README.split('\n').filter((line) => line.startsWith('| `--'));
  expect(documented).toEqual(optionRows());
});

/** `tensorflock …` of a line of shell, without what follows a comment, a pipe or a redirection. */
const commandLines = codeBlocks(README, 'sh').flatMap(({ code }) =>
  code.split('\n').filter((line) => line !== '').map((line) => line.replace(/(\s+#|\s*[|>]).*$/, '').replace(/^npm run -s tensorflock --/, 'tensorflock')),
);

describe('a command line of the README is understood', () => {
  test.each(commandLines)('%s', (line) => {
    const [name, commandName, ...words] = line.split(' ');
    expect(name).toBe('tensorflock');
    const command = program().commands.find((each) => each.name() === commandName)!;
    const { operands, unknown } = command.parseOptions(words);
    expect(unknown).toEqual([]);
    const takesMore = command.registeredArguments.some(({ variadic }) => variadic);
    expect(operands.length).toBeLessThanOrEqual(takesMore ? Infinity : command.registeredArguments.length);
    expect(() => PARSERS[commandName!]!(command.opts())).not.toThrow();
  });
});

test('every preset is named', () => {
  for (const preset of Object.keys(PRESETS)) expect(README).toContain(`\`${preset}\``);
});

test('every option mentioned anywhere is one of the table, hidden, or refused by name', () => {
  const known = new Set(program().commands.flatMap((command) => command.options.map(({ long }) => long)));
  const ofOthers = ['--version', '--help', '--experimental-wasm-relaxed-simd', '--ignore-scripts'];
  const mentioned = [...README.matchAll(/(?<![\w-])--[a-z][\w-]+/g)].map(([flag]) => flag);
  expect([...new Set(mentioned)].filter((flag) => !known.has(flag) && !ofOthers.includes(flag))).toEqual([]);
});
