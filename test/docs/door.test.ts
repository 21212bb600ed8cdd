import { expect, test } from 'vitest';
import * as door from '../../src/index.js';
import { README } from './documents.js';

/** Rows of the table whose heading is "name | what it is". */
function exportedNames(): string[] {
  const [, table] = README.split('| name | what it is |\n|---|---|\n');
  return table!.split('\n\n')[0]!.split('\n').map((row) => /^\| `(\w+)` \|/.exec(row)![1]!);
}

function rowOf(name: string): string {
  return README.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))!;
}

test('the names of the door are those of the README', () => {
  expect(Object.keys(door).sort()).toEqual(exportedNames().sort());
});

test.each(['datasets', 'optimizers', 'schedules'] as const)('%s has the members of its row', (name) => {
  const [, ...members] = [...rowOf(name).matchAll(/`(\w+)`/g)].map((match) => match[1]!);
  expect(members.sort()).toEqual(Object.keys(door[name]).sort());
});

test('every method of a trainer that the README names is there', () => {
  const [, table] = README.split('| method | what it does |\n|---|---|\n');
  const named = table!.split('\n\n')[0]!.split('\n').flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)/g)].map((match) => match[1]!));
  const members = Object.getOwnPropertyNames(door.Trainer.prototype);
  expect(named.filter((name) => !members.includes(name))).toEqual([]);
});
