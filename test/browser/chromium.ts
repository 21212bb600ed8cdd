// The browser of these tests: one that the machine has, without a window.
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, describe, expect } from 'vitest';

const PATH = '/usr/bin/chromium';

/** Why there is none. */
const missing = existsSync(PATH) ? undefined : `no ${PATH} here; apt-get install chromium`;

/** Tests that need it; where it is missing they are skipped under the reason. */
export function describeInChromium(name: string, tests: () => void): void {
  describe.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (skipped: ${missing})`, tests);
}

/** The name that leads to this machine, and that no browser takes for it: a page from there is no secure context without TLS. */
export const FAR_NAME = 'trainer.lan';

const ARGS = ['--no-sandbox', `--host-resolver-rules=MAP ${FAR_NAME} 127.0.0.1`];

let launched: Promise<Browser> | undefined;

afterAll(async () => { await (await launched)?.close(); });

/** One for all tests of a file. */
export function browser(): Promise<Browser> {
  launched ??= chromium.launch({ executablePath: PATH, args: ARGS });
  return launched;
}

/** A browser of its own, whose processes can be stopped and killed together. */
export async function browserToKill(): Promise<{ readonly browser: Browser; readonly signal: (name: NodeJS.Signals) => void }> {
  const server = await chromium.launchServer({ executablePath: PATH, args: ARGS });
  const { pid } = server.process();
  return { browser: await chromium.connect(server.wsEndpoint()), signal: (name) => { process.kill(-pid!, name); } };
}

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What no page of ours does: errors and warnings on the console, exceptions, requests to other hosts. */
  readonly faults: string[];
}

/** Opens a link in a context of its own. */
export async function openTab(one: Browser, link: string, options?: BrowserContextOptions): Promise<Tab> {
  const context = await one.newContext(options);
  const page = await context.newPage();
  const faults: string[] = [];
  const { host } = new URL(link);
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`); });
  page.on('pageerror', (error) => { faults.push(`exception: ${error.message}`); });
  context.on('request', (request) => { if (new URL(request.url()).host !== host) faults.push(`request: ${request.url()}`); });
  await page.goto(link);
  return { page, context, faults };
}

/** Until an element shows a text. */
export async function shows(page: Page, selector: string, text: RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).waitFor({ state: 'attached', timeout: 60_000 });
}

export function expectNoFaults(...tabs: readonly Tab[]): void {
  expect(tabs.flatMap(({ faults }) => faults)).toEqual([]);
}
