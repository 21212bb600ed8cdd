import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Command } from 'commander';
import type { Context } from '../../scripts/cli/context.js';
import { HELP_AFTER } from '../../scripts/cli/help.js';
import { createProgram } from '../../scripts/cli/program.js';
import { ROOT } from './documents.js';
import { PARSERS } from './parsers.js';

function program(): Command {
  const nowhere = { write: () => true };
  return createProgram({ stdout: nowhere, stderr: nowhere } as unknown as Context, () => undefined);
}

const visible = program().createHelp().visibleCommands(program()).map((command) => command.name());

test('every command has its page, with examples, exit status and what to see also', () => {
  expect(Object.keys(HELP_AFTER).sort()).toEqual(['program', ...visible].sort());
  for (const page of Object.values(HELP_AFTER)) for (const part of ['Examples:', 'Exit status:', 'See also: ']) expect(page).toContain(`\n${part}`);
});

test('what a page says to see also is there', () => {
  for (const page of Object.values(HELP_AFTER)) {
    for (const one of page.split('See also: ')[1]!.split(', ')) {
      const [, command] = /^tensorflock (\S+) --help$/.exec(one) ?? [];
      expect(command === undefined ? existsSync(join(ROOT, one)) : visible.includes(command), one).toBe(true);
    }
  }
});

const examples = Object.entries(HELP_AFTER).flatMap(([name, page]) =>
  [...page.split('Examples:\n')[1]!.split('\n\n')[0]!.matchAll(/^ {2}(tensorflock .+?)(?: {2,}.*| [|>].*)?$/gm)].map((match) => [name, match[1]!] as const),
);

test.each(examples)('the example of %s is understood: %s', (name, line) => {
  const words = line.split(' ').map((word) => word.replace(/^'|'$/g, ''));
  const command = program().commands.find((each) => each.name() === words[1])!;
  if (name !== 'program') expect(command.name()).toBe(name);
  const { operands, unknown } = command.parseOptions(words.slice(2));
  expect(unknown).toEqual([]);
  const { registeredArguments } = command;
  expect(operands.length).toBeGreaterThanOrEqual(registeredArguments.filter(({ required }) => required).length);
  expect(operands.length).toBeLessThanOrEqual(registeredArguments.some(({ variadic }) => variadic) ? Infinity : registeredArguments.length);
  expect(() => PARSERS[command.name()]!(command.opts())).not.toThrow();
});
