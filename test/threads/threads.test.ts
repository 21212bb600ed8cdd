import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { distribute } from '../../src/index.js';
import { classification, mlp } from './models.js';
import { withTrainer } from './trainers.js';

const { x, y } = classification(200, 13, 5);
const MODULES = { door: new URL('../../src/index.js', import.meta.url).href, models: new URL('./models.js', import.meta.url).href };

/** Runs a program of modules in a process of its own; it has the door and the models at hand. */
function runNode(flags: readonly string[], program: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const head = `import { distribute } from ${JSON.stringify(MODULES.door)}; import { classification, mlp } from ${JSON.stringify(MODULES.models)};`;
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', head + program], { cwd, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** The hash of a training that takes long enough for the engine to optimise its kernels. */
const HASH_PROGRAM = (kernels: string): string => `
  const { x, y } = classification(203, 13, 5);
  const trainer = await distribute(mlp({ dropout: 0.3, regularizer: true }), { workers: 2, kernels: '${kernels}', engineFlags: true });
  await trainer.fit(x, y, { batchSize: 60, epochs: 3 });
  process.stdout.write(trainer.hashes().stateSha256);
  await trainer.close();`;

async function hashOf(workers: number, batchSize: number): Promise<string> {
  return withTrainer(mlp({ dropout: 0.3 }), { workers }, async (trainer) => {
    await trainer.fit(x, y, { batchSize });
    return trainer.hashes().stateSha256;
  });
}

describe('any number of workers', () => {
  test('64, the most there may be, give the bits of one', async () => {
    expect(await hashOf(64, 200)).toBe(await hashOf(1, 200));
  });

  test('more than there are shards, or groups of four examples, give the bits of one, and the banner says who idles', async () => {
    expect(await hashOf(7, 16)).toBe(await hashOf(1, 16)); // 16 examples are 2 shards of 8
    await withTrainer(mlp(), { workers: 7 }, async (trainer) => {
      expect(trainer.describe(16).notes).toContain('3 of 7 workers idle for most of a step: a batch of 16 is divided in 4 groups of 4 examples; use a larger batch or fewer workers');
      expect(trainer.describe(32).notes.filter((note) => note.includes('idle'))).toEqual([]); // tfjs's default batch feeds eight
    });
  });
});

test('the thread that called fit goes on with its own work', async () => {
  await withTrainer(mlp(), {}, async (trainer) => {
    let turns = 0;
    let training = true;
    const turn = (): void => {
      turns += 1;
      if (training) setImmediate(turn);
    };
    const run = trainer.fit(x, y, { batchSize: 1, epochs: 5 }); // 1,000 steps in five commands
    setImmediate(turn);
    await run;
    training = false;
    // A fit that held the thread would leave a turn for each of its few awaits; an idle thread turns thousands of times.
    expect(turns).toBeGreaterThan(100);
  });
});

describe('close', () => {
  test('leaves no thread and no timer, and lets the process end by itself', () => {
    const ended = runNode([], `
      const { x, y } = classification(60, 13, 5);
      const resources = () => process.getActiveResourcesInfo().filter((name) => !/^(PipeWrap|CloseReq|FSReq)/.test(name)).join(); // stdio, imports
      const trainer = await distribute(mlp(), { workers: 2, kernels: 'portable' });
      let during;
      await trainer.fit(x, y, { onProgress: () => undefined, callbacks: { onBatchEnd: () => { during = resources(); } } });
      await trainer.close();
      await trainer.close();
      // A thread's last handles are closed on the turns after its end.
      for (let turn = 0; turn < 100 && resources() !== ''; turn++) await new Promise(setImmediate);
      process.stdout.write(JSON.stringify({ during, after: resources() }));`);
    expect(ended.status).toBe(0);
    const { during, after } = JSON.parse(ended.stdout) as Record<string, string>;
    expect(during).not.toBe('');
    expect(after).toBe('');
  });

  test('leaves no memory behind: ten trainers, one after the other, take the place of one', () => {
    const ended = runNode(['--expose-gc'], `
      const x = { values: new Float32Array(200_000 * 13), shape: [200_000, 13] };
      const one = async () => {
        const trainer = await distribute(mlp(), { workers: 2, kernels: 'portable' });
        (await trainer.predict(x)).dispose();
        const { byteLength } = trainer.parts.state.arena.memory.buffer;
        await trainer.close();
        gc();
        return byteLength;
      };
      for (let warmUp = 0; warmUp < 3; warmUp++) await one();
      const before = process.memoryUsage().rss;
      let arena;
      for (let trainer = 0; trainer < 10; trainer++) arena = await one();
      process.stdout.write(JSON.stringify({ arena, grown: process.memoryUsage().rss - before }));`);
    const { arena, grown } = JSON.parse(ended.stdout) as Record<'arena' | 'grown', number>;
    expect(arena).toBeGreaterThan(200_000 * 13 * 4);
    expect(grown).toBeLessThan(2 * arena);
  });

  test('in the middle of a fit ends it with an error', async () => {
    const trainer = await distribute(mlp(), { workers: 2, kernels: 'portable' });
    let close: Promise<void> | undefined;
    const run = trainer.fit(x, y, { epochs: 100, callbacks: { onEpochEnd: () => { close ??= trainer.close(); } } });
    await expect(run).rejects.toMatchObject({ name: 'TensorflockError', code: 'ERR_CLOSED' });
    await close;
  });
});

test('the arena does not grow from fit to fit', async () => {
  await withTrainer(mlp({ regularizer: true }), { workers: 3 }, async (trainer) => {
    const { arena } = trainer.parts.state;
    const used = arena.usedBytes;
    const once = async (): Promise<void> => {
      await trainer.fit(x, y, { batchSize: 50, validationData: [x, y] });
      (await trainer.predict(x)).dispose();
      expect(arena.usedBytes).toBe(used);
    };
    await once();
    const { byteLength } = arena.memory.buffer;
    for (let fit = 1; fit < 50; fit++) await once();
    expect(arena.memory.buffer.byteLength).toBe(byteLength);
  });
});

test('memory is flat over 10,000 steps', () => {
  // Young objects in 1 MiB, so that garbage of the workers, whose collectors nobody can call, is not taken for growth.
  const ended = runNode(['--expose-gc', '--max-semi-space-size=1'], `
    const { x, y } = classification(1_000, 13, 5);
    const trainer = await distribute(mlp({ dropout: 0.2 }), { workers: 2, kernels: 'portable' });
    const { arena } = trainer.parts.state;
    const measure = async (epochs) => {
      await trainer.fit(x, y, { batchSize: 4, epochs }); // 250 steps an epoch
      gc();
      const { rss, heapUsed } = process.memoryUsage();
      return { rss, heapUsed, arena: arena.usedBytes, memory: arena.memory.buffer.byteLength, steps: trainer.parts.state.version };
    };
    await measure(8); // code is compiled, free lists are filled
    const [before, after] = [await measure(4), await measure(40)];
    process.stdout.write(JSON.stringify({ before, after }));
    await trainer.close();`);
  const { before, after } = JSON.parse(ended.stdout) as Record<'before' | 'after', Readonly<Record<'rss' | 'heapUsed' | 'arena' | 'memory' | 'steps', number>>>;
  expect(after.steps - before.steps).toBe(10_000);
  expect([after.arena, after.memory]).toEqual([before.arena, before.memory]);
  // One object forgotten a step would be some 50 bytes, 0.5 MB in all; the engine's own notes are a third of that.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(500_000);
  // The threads' heaps are seen only here, in pages and with their collectors' moods: one view of memory a step is 2 MB.
  expect(after.rss - before.rss).toBeLessThan(4_000_000);
});

test('a fit that fails gives its bytes back', async () => {
  await withTrainer(mlp(), {}, async (trainer) => {
    const used = trainer.parts.state.arena.usedBytes;
    await expect(trainer.fit(x, y, { callbacks: { onEpochEnd: () => { throw new Error('enough'); } } })).rejects.toThrow('enough');
    expect(trainer.parts.state.arena.usedBytes).toBe(used);
  });
});

test.each(['fma', 'portable'])('%s: every kernel and every optimizer give the same bits in the quick and in the optimising tier', (kernels) => {
  const program = fileURLToPath(new URL('./every-kernel.js', import.meta.url));
  const [quick, optimised] = [['--liftoff', '--no-wasm-tier-up'], ['--no-liftoff']].map((flags) => {
    const { stdout } = spawnSync(process.execPath, [...flags, program, kernels], { encoding: 'utf8' });
    return JSON.parse(stdout) as { readonly sha256: string; readonly missing: string[] };
  });
  expect(quick!.missing).toEqual([]);
  expect(optimised).toEqual(quick);
});

test.each(['fma', 'portable'])('%s gives the same bits before and after the optimising tier of the engine', (kernels) => {
  const program = HASH_PROGRAM(kernels);
  const [baseline, optimised] = [runNode(['--liftoff', '--no-wasm-tier-up'], program), runNode(['--no-liftoff'], program)];
  expect(baseline).toMatchObject({ status: 0 });
  expect(baseline.stdout).toMatch(/^[0-9a-f]{64}$/);
  expect(optimised.stdout).toBe(baseline.stdout);
});
