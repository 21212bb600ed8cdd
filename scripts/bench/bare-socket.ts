// What carrying a round's bytes costs by itself: `bare-socket.js BYTES` sends so many to another process over loopback and gets as many
// back, in turns. A contestant of harness.ts whose "examples" are turns.
import { spawn } from 'node:child_process';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { once } from 'node:events';

const WARM_UP_TURNS = 50;

const [bytes = '0', port] = process.argv.slice(2);
const message = new Uint8Array(Number(bytes));

/** Resolves when a whole message has come. */
function received(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    const take = (chunk: Buffer): void => {
      count += chunk.byteLength;
      if (count < message.byteLength) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
  });
}

async function echo(): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port: Number(port), noDelay: true });
  socket.on('close', () => { process.exit(); });
  for (;;) {
    await received(socket);
    socket.write(message);
  }
}

async function lead(): Promise<void> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const other = spawn(process.execPath, [process.argv[1]!, bytes, String((server.address() as AddressInfo).port)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [socket] = await once(server, 'connection') as [Socket];
  const turn = async (): Promise<void> => {
    socket.write(message);
    await received(socket);
  };
  for (let count = 0; count < WARM_UP_TURNS; count++) await turn();
  answer({ ready: true, version: process.versions.node, threads: 1, blas: 'none', flags: `${bytes} bytes there and back` });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as { readonly run: number } | { readonly quit: true };
    if ('quit' in request) break;
    const startMs = performance.now();
    let turns = 0;
    for (; performance.now() - startMs < request.run * 1000; turns++) await turn();
    const seconds = (performance.now() - startMs) / 1000;
    answer({ examplesPerSecond: turns / seconds, examples: turns, seconds, loss: 0 });
  }
  other.kill();
  server.close();
  socket.destroy();
}

function answer(result: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await (port === undefined ? lead() : echo());
