// A coordinator with short deadlines, as a process, which waits for so many nodes: tells of every epoch, and at the end the hash of the state and the most nodes.
import { distributeWith } from '../../src/distribute.js';
import { train } from './long-training.js';

const trainer = await distributeWith(train.model(), { ...train.options, workers: 1, serve: '127.0.0.1:0', quorum: Number(process.argv[2]), onNotice: (text) => { process.stderr.write(`${text}\n`); } }, [], { heartbeatMs: 250, silenceMs: 1_000 });
await trainer.fit(train.x, train.y, { ...train.fit, callbacks: { onEpochEnd: (epoch: number) => { process.stderr.write(`epoch ${String(epoch)}\n`); } } });
process.stdout.write(`${JSON.stringify({ stateSha256: trainer.hashes().stateSha256, nodes: trainer.mostNodes })}\n`);
await trainer.close();
