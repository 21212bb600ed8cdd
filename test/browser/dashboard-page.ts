// The page of the coordinator's port with a dashboard that is told records by hand; everything else of it is what is served.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { pageAt } from '../../cluster/net/page.js';

const ENTRY = `
import { mountContribute } from './contribute.js';
import { Dashboard } from './dashboard.js';
window.dashboard = new Dashboard(document.querySelector('#dashboard'));
mountContribute(document.querySelector('#contribute'), new Uint8Array());
`;

async function pageScript(): Promise<Uint8Array> {
  const resolveDir = fileURLToPath(new URL('../../cluster/browser/', import.meta.url));
  const built = await build({ stdin: { contents: ENTRY, resolveDir }, bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', define: { PACKAGE_VERSION: '"0.0.0"' }, write: false });
  return built.outputFiles[0]!.contents;
}

export interface DashboardPage {
  readonly link: string;
  readonly scriptByteLength: number;
  readonly close: () => void;
}

/** Serves it on loopback, with the headers that the coordinator gives. */
export async function serveDashboard(): Promise<DashboardPage> {
  const script = await pageScript();
  const server = createServer(({ url }, response) => {
    const answer = pageAt(url!, true);
    if (answer === undefined) { response.writeHead(404).end(); return; }
    response.writeHead(answer.status, answer.headers).end(url === '/page.js' ? script : answer.body);
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  return { link: `http://127.0.0.1:${port}/`, scriptByteLength: script.byteLength, close: () => { server.close(); } };
}
