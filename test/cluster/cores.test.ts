import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { openLan } from '../../scripts/lan/lan.js';
import { GIGABIT, slowed } from '../../scripts/lan/profile.js';

const SLOWNESS = 4;
const open = (): ReturnType<typeof openLan> => openLan(slowed(GIGABIT, SLOWNESS), 1, SLOWNESS);
const probe = await open();
await probe.lan?.close();
const { missing } = probe;
if (missing !== undefined) process.stdout.write(`Skipped: cores of their own are not tried: ${missing}\n`);

/** A thread of its own computes until the input ends; the main thread waits. */
const BUSY = 'const { Worker } = require("node:worker_threads"); new Worker("for (;;);", { eval: true }); process.stdin.resume().on("end", () => process.exit());';
const PATIENCE = { timeout: 20_000 };

const threadsIn = (core: string): string[] => (existsSync(core) ? readFileSync(join(core, 'tasks'), 'utf8').trim().split('\n').filter((thread) => thread !== '') : []);

test.skipIf(missing !== undefined)('whoever computes has a core of its own, at a quarter of the speed, and all other threads of its process another; a box leaves none behind', async () => {
  const box = (await open()).lan!;
  onTestFinished(() => box.close());
  expect(box.description).toMatch(/^250 Mbit\/s.*; each process has two cores to itself, for one part in 4 of the time$/);
  const { command, args } = box.on(box.machines[0]!, process.execPath, ['-e', BUSY]);
  const busy = spawn(command, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  const folder = args[3]!;
  const [others, computing] = [join(folder, String(busy.pid)), join(folder, `${busy.pid}-computing`)];
  // The main thread computes too while it starts.
  await expect.poll(() => threadsIn(others), PATIENCE).toContain(String(busy.pid));
  await expect.poll(() => threadsIn(computing), PATIENCE).toEqual([expect.not.stringMatching(String(busy.pid))]);
  for (const core of [others, computing]) {
    expect(Number(readFileSync(join(core, 'cpu.cfs_period_us'), 'utf8'))).toBe(SLOWNESS * Number(readFileSync(join(core, 'cpu.cfs_quota_us'), 'utf8')));
  }
  await box.close();
  expect(existsSync(folder)).toBe(false);
});
