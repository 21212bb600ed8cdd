// A stand-in for the page of the coordinator's port: serves the parts of a tab, and hands WebSockets on as they come.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const DIST = new URL('../../', import.meta.url);

const PAGE = '<!doctype html><html lang="en"><title>tensorflock</title><link rel="icon" href="data:,"><main id="contribute"></main><script type="module" src="/page.js"></script></html>';
const SCRIPT = `import { mountContribute } from '/contribute.js';
const text = new URLSearchParams(location.hash.slice(1)).get('k');
history.replaceState(null, '', '/');
mountContribute(document.querySelector('#contribute'), Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0)));`;

const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:",
  'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin',
};

async function bodyOf(path: string): Promise<{ readonly type: string; readonly body: string | Buffer } | undefined> {
  if (path === '/') return { type: 'text/html', body: PAGE };
  if (path === '/page.js') return { type: 'text/javascript', body: SCRIPT };
  const file = /^\/([\w-]+)\.(js|wasm)$/.exec(path);
  if (!file) return undefined;
  const folder = file[2] === 'js' ? 'cluster/browser/served/' : 'src/kernels/';
  return { type: file[2] === 'js' ? 'text/javascript' : 'application/wasm', body: await readFile(fileURLToPath(new URL(`${folder}${file[1]}.${file[2]}`, DIST))) };
}

const closing: (() => void)[] = [];
afterEach(() => { for (const close of closing.splice(0)) close(); });

/** @returns the port, in the place of the coordinator's */
export async function servePage(coordinatorPort: number): Promise<number> {
  const server = createServer((request, response) => {
    void bodyOf(request.url!).then((found) => {
      response.writeHead(found === undefined ? 404 : 200, { ...HEADERS, 'Content-Type': found?.type ?? 'text/plain' });
      response.end(found?.body);
    });
  });
  server.on('upgrade', (request, socket) => {
    const beyond = connect(coordinatorPort, '127.0.0.1');
    const headers = request.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    beyond.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    beyond.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('error', () => beyond.destroy()).on('close', () => beyond.destroy());
    beyond.pipe(socket).pipe(beyond);
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  closing.push(() => { server.close(); server.closeAllConnections(); });
  return (server.address() as AddressInfo).port;
}
