// Pictures for the documentation, of the state that they show: `node scripts/screenshots.mjs lesson [dark]` runs a lesson and writes
// docs/pictures/lesson.png; `node scripts/screenshots.mjs PAGE.html PICTURE.png [dark]` takes any page, whole.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const [what, ...rest] = process.argv.slice(2);
if (what === 'lesson') await lessonPicture();
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
