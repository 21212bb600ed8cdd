// A process of its own within a namespace: `announcer.js announce` tells of a coordinator until its standard input ends,
// `announcer.js browse` prints what it finds.
import { announce, browse } from '../../cluster/net/discovery.js';
import { systemClock } from '../../cluster/net/clock.js';

const BROWSE_MS = 3_000;

if (process.argv[2] === 'announce') {
  const stop = await announce({ name: 'tensorflock test', address: { host: '0.0.0.0', port: 8_080 }, scheme: 'https', certificateSha256: 'f0'.repeat(32) });
  process.stdout.write('announced\n');
  process.stdin.on('end', () => { void stop(); }).resume();
} else {
  process.stdout.write(`${JSON.stringify(await browse(BROWSE_MS, systemClock))}\n`);
}
