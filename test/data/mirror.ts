import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { SERVED } from './fake-set.js';

export type Answer = (request: IncomingMessage, response: ServerResponse, file: Buffer) => void;

export interface Mirror {
  readonly url: string;
  /** The requests so far: path and, where there was one, Range. */
  readonly requests: string[];
}

/** A local server that gives each request for a file to the next of `answers`, the last of which goes on answering. */
export async function startMirror(...answers: Answer[]): Promise<Mirror> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    requests.push(headers.range === undefined ? url : `${url} ${headers.range}`);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer?.(request, response, SERVED[url] ?? Buffer.alloc(0));
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  onTestFinished(() => new Promise<void>((resolve) => {
    server.close(() => { resolve(); });
    server.closeAllConnections();
  }));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Serves the file, from the middle where a Range asks for it. */
export const right: Answer = (request, response, file) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start === 0) response.writeHead(200, { 'content-length': file.length }).end(file);
  else if (start >= file.length) response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
  else {
    const headers = { 'content-length': file.length - start, 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` };
    response.writeHead(206, headers).end(file.subarray(start));
  }
};

/** Serves the whole file whatever the Range. */
export const ignoringRange: Answer = (_, response, file) => {
  response.writeHead(200, { 'content-length': file.length }).end(file);
};

/** Serves bytes up to `end` (of what was asked for) and breaks the connection. */
export const breakingAt = (endByte: number): Answer => (request, response, file) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(start === 0 ? 200 : 206, {
    'content-length': file.length - start,
    ...(start > 0 && { 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` }),
  });
  response.write(file.subarray(start, endByte), () => { response.socket?.destroySoon(); });
};

/** Serves the first bytes and then nothing, holding the line. */
export const stallingAt = (endByte: number): Answer => (_, response, file) => {
  response.writeHead(200, { 'content-length': file.length });
  response.write(file.subarray(0, endByte));
};

export const status = (code: number): Answer => (_, response) => {
  response.writeHead(code).end('no');
};

/** Serves other bytes in the file's place, consistently announced. */
export const serving = (bytesOf: (file: Buffer) => Uint8Array): Answer => (_, response, file) => {
  const bytes = bytesOf(file);
  response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
};

export const redirectingTo = (base: string): Answer => (request, response) => {
  response.writeHead(302, { location: `${base}${request.url}` }).end();
};

export const redirectingToItself: Answer = (request, response) => {
  response.writeHead(302, { location: request.url }).end();
};

/** Never stops sending. */
export const endless: Answer = (_, response) => {
  response.writeHead(200);
  const send = (): void => {
    if (!response.destroyed) response.write(Buffer.alloc(16_384, 7), () => { setImmediate(send); });
  };
  send();
};

/** Answers a Range with bytes from elsewhere. */
export const shiftedRange: Answer = (_, response, file) => {
  response.writeHead(206, { 'content-range': `bytes 0-${file.length - 1}/${file.length}` }).end(file);
};
