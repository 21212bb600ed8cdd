// The page of the coordinator's port, and all that it loads: files of this package, read when somebody asks first.
import { readFileSync } from 'node:fs';
import type { Answer } from './answer.js';

const SERVED = new URL('../browser/served/', import.meta.url);
const KERNELS = new URL('../../src/kernels/', import.meta.url);

/** Scripts and workers of our own, WebAssembly, and nothing from anywhere else. */
const PAGE_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

/** With them a page may share memory. Where no browser lets it, it would only complain of them on its console. */
const ISOLATION_HEADERS = { 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Opener-Policy': 'same-origin' };

const script = (name: string): readonly [URL, string] => [new URL(name, SERVED), 'text/javascript; charset=utf-8'];
const kernels = (name: string): readonly [URL, string] => [new URL(name, KERNELS), 'application/wasm'];

const FILES: ReadonlyMap<string, readonly [file: URL, contentType: string]> = new Map([
  ['/', [new URL('index.html', SERVED), 'text/html; charset=utf-8'] as const],
  ['/page.css', [new URL('page.css', SERVED), 'text/css; charset=utf-8'] as const],
  ...['page.js', 'tab-worker.js', 'tab-thread.js'].map((name) => [`/${name}`, script(name)] as const),
  ...['fma.wasm', 'portable.wasm', 'fma-unshared.wasm', 'portable-unshared.wasm'].map((name) => [`/${name}`, kernels(name)] as const),
]);

const kept = new Map<string, Uint8Array>();

/**
 * What a GET of a path is answered with; undefined where nothing is.
 * @param secure whether browsers take it for a secure context
 */
export function pageAt(path: string, secure: boolean): Answer | undefined {
  const [file, contentType] = FILES.get(path) ?? [];
  if (file === undefined) return undefined;
  const body = kept.get(path) ?? readFileSync(file);
  kept.set(path, body);
  return { status: 200, text: '', body, headers: { ...PAGE_HEADERS, ...(secure && ISOLATION_HEADERS), 'Content-Type': contentType! } };
}
