// Pictures for the documentation, of the state that they show: `node scripts/screenshots.mjs lesson [dark]` runs a lesson and writes
// docs/pictures/lesson.png; `dashboard` trains with a node and writes dashboard.png, what a phone shows and what is inside;
// `node scripts/screenshots.mjs PAGE.html PICTURE.png [dark]` takes any page, whole.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Each from a part of the page on. */
const DASHBOARD_PICTURES = [
  { name: 'dashboard.png', width: 1200, height: 1330, colorScheme: 'light', from: '.overview' },
  { name: 'dashboard-inside.png', width: 1200, height: 1330, colorScheme: 'dark', from: '.outcome' },
  { name: 'dashboard-phone.png', width: 360, height: 1300, colorScheme: 'dark', from: '.curves' },
];
/** Of the run whose pictures are taken. */
const EPOCHS_SHOWN = 8;
const [what, ...rest] = process.argv.slice(2);
if (what === 'lesson') await lessonPicture();
else if (what === 'dashboard') await dashboardPictures();
else await take(resolve(what), resolve(rest[0]), { dark: rest[1] === 'dark' });

async function lessonPicture() {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-picture-'));
  try {
    spawnSync(process.execPath, [join(ROOT, 'dist/scripts/tensorflock.js'), 'lesson', 'vanishing-gradients', '--out', folder], { stdio: 'inherit' });
    mkdirSync(join(ROOT, 'docs/pictures'), { recursive: true });
    await take(join(folder, 'index.html'), join(ROOT, 'docs/pictures/lesson.png'), { dark: rest[0] === 'dark', heightPixels: 1640 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run with a node, as its operator sees it. */
async function dashboardPictures() {
  const command = (...args) => spawn(process.execPath, [join(ROOT, 'dist/scripts/tensorflock.js'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const coordinator = command('train', 'fashion-mnist-mlp-wide', '--epochs', '40', '--batch-size', '512', '--workers', '1', '--serve', '127.0.0.1:0', '--chaos');
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const { joinLink, operatorLink } = await linksOf(coordinator);
  const node = command('join', joinLink, '--workers', '1');
  try {
    const tab = await browser.newPage();
    await tab.goto(operatorLink);
    await tab.locator('.where-it-is').filter({ hasText: `Epoch ${EPOCHS_SHOWN} ` }).waitFor({ timeout: 300_000 });
    await tab.getByRole('button', { name: 'Pause' }).click();
    await tab.locator('.answer').filter({ hasText: 'Paused' }).waitFor();
    for (const { name, width, height, colorScheme, from } of DASHBOARD_PICTURES) {
      await tab.setViewportSize({ width, height });
      await tab.emulateMedia({ colorScheme });
      await tab.locator(from).evaluate((part) => { scrollTo(0, part.closest('.panel').getBoundingClientRect().top + scrollY - 12); });
      await tab.evaluate(() => new Promise((drawn) => { requestAnimationFrame(() => { requestAnimationFrame(drawn); }); }));
      await tab.screenshot({ path: join(ROOT, 'docs/pictures', name) });
    }
  } finally {
    await browser.close();
    node.kill();
    coordinator.kill();
  }
}

/** The links that a coordinator prints. */
function linksOf(coordinator) {
  let printed = '';
  return new Promise((resolve, reject) => {
    coordinator.stderr.on('data', (text) => {
      printed += text;
      const [joinLink, operatorLink] = [/tensorflock join '(.*)'/, /tensorflock operate '(.*)' /].map((pattern) => pattern.exec(printed)?.[1]);
      if (joinLink !== undefined && operatorLink !== undefined) resolve({ joinLink, operatorLink });
    });
    coordinator.on('close', () => { reject(new Error(`The coordinator ended: ${printed}`)); });
  });
}

/** The page from its top on, so many pixels high or whole. */
async function take(page, picture, { dark, heightPixels }) {
  const browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: { width: 760, height: heightPixels ?? 900 }, colorScheme: dark ? 'dark' : 'light' });
    await tab.goto(pathToFileURL(page).href);
    await tab.screenshot({ path: picture, fullPage: heightPixels === undefined });
  } finally {
    await browser.close();
  }
}
