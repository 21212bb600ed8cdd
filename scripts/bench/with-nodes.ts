// A contestant that is several processes: `with-nodes.js JSON` runs `main`, which speaks the protocol of harness.ts on this program's own
// standard input and output, and `helpers` beside it until it ends. An argument {link} of theirs is the join link that `main` prints.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LINK, type Crew, type Command } from './crew.js';

const { main, helpers } = JSON.parse(process.argv[2]!) as Crew;
const running: ChildProcess[] = [];

function help({ command, args }: Command, link: string): void {
  running.push(spawn(command, args.map((arg) => (arg === LINK ? link : arg)), { stdio: ['ignore', 'ignore', 'inherit'] }));
}

const leader = spawn(main.command, [...main.args], { stdio: ['inherit', 'inherit', 'pipe'] });
const waiting = helpers.filter(({ args }) => args.includes(LINK));
for (const helper of helpers) if (!waiting.includes(helper)) help(helper, '');
createInterface({ input: leader.stderr }).on('line', (line) => {
  const link = /tensorflock join '(.*)'/.exec(line)?.[1];
  if (link !== undefined) for (const helper of waiting.splice(0)) help(helper, link);
  process.stderr.write(`${line}\n`);
});
leader.on('close', (status) => {
  for (const child of running) child.kill();
  process.exitCode = status ?? 1;
});
