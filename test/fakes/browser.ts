/**
 * A real, headless Chromium for tests, out of the npm package @sparticuz/chromium: no apt package, no download.
 *
 *   let browser: Browser;
 *   before(async function () {
 *     this.timeout(browserStartTimeoutMs);
 *     browser = await launchBrowser();
 *   });
 *   after(() => browser.close());
 *
 *   it('…', async () => {
 *     const context = await browser.newContext(); // one per person: own cookies, own storage
 *     const page = await context.newPage();
 *     await page.goto(url);
 *     …
 *     await context.close();
 *   });
 *
 * That Chromium is for Linux on x64. Anywhere else, or to try another one, set CHROME_PATH to a Chrome's executable;
 * without it an installed Chrome is looked for. Pages see loopback only: names other than localhost do not resolve.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium, type Browser, type LaunchOptions } from 'playwright-core';

/** The first launch on a fresh install unpacks 200 MB, which takes 2 s on an idle machine and longer on a busy one. */
export const browserStartTimeoutMs = 120_000;

const quietArgs = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-domain-reliability',
  '--no-pings',
  '--font-render-hinting=none',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE [::1]',
];

/** Starts a browser; whoever starts it closes it. */
export async function launchBrowser(options: LaunchOptions = {}): Promise<Browser> {
  const found = await findChromium();
  return chromium.launch({
    headless: true,
    ...found,
    ...options,
    env: { ...definedEnvironment(), ...found.env, ...options.env },
    args: [...quietArgs, ...(options.args ?? [])],
  });
}

async function findChromium(): Promise<LaunchOptions & { env?: Record<string, string> }> {
  const named = process.env['CHROME_PATH'];
  if (named) return { executablePath: named };
  if (process.platform === 'linux' && process.arch === 'x64') return unpackedChromium();
  // Throws with the paths it looked at when there is none.
  return { channel: 'chrome' };
}

let unpacked: Promise<{ executablePath: string; env: Record<string, string> }> | undefined;

function unpackedChromium(): Promise<{ executablePath: string; env: Record<string, string> }> {
  unpacked ??= unpackChromium().then((folder) => ({
    executablePath: join(folder, 'chromium'),
    env: {
      // NSS and expat, which a bare Linux lacks; the rest of what Chromium loads is glibc and libgcc.
      LD_LIBRARY_PATH: [join(folder, 'al2023', 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(delimiter),
      FONTCONFIG_PATH: join(folder, 'fonts'),
    },
  }));
  return unpacked;
}

/**
 * Unpacks into node_modules/.cache, once per installed version, and returns the folder. It is filled under another
 * name and renamed when complete: two test runs may unpack at once, and one that was killed leaves no half browser.
 */
async function unpackChromium(): Promise<string> {
  const entry = import.meta.resolve('@sparticuz/chromium');
  const packageFolder = dirname(dirname(dirname(fileURLToPath(entry))));
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  const cache = join(dirname(dirname(packageFolder)), '.cache');
  const folder = join(cache, `chromium-${version}`);
  if (await isExecutable(join(folder, 'chromium'))) return folder;

  await mkdir(cache, { recursive: true });
  const filling = await mkdtemp(join(cache, 'chromium-filling-'));
  // The package unpacks into the process's temporary folder, and its shared libraries only where it believes to be on
  // AWS Lambda: a child process is told both, so that this one's environment stays as it is.
  const script = `await (await import(${JSON.stringify(entry)})).default.executablePath()`;
  try {
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TMPDIR: filling, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' },
    });
    await writeFile(join(filling, 'fonts', 'fonts.conf'), fontsConf(join(folder, 'fonts'), join(cache, 'fontconfig')));
    await rename(filling, folder);
  } catch (error) {
    await rm(filling, { recursive: true, force: true });
    // Another run may have been first: what it unpacked serves as well.
    if (!(await isExecutable(join(folder, 'chromium')))) throw error;
  }
  return folder;
}

/** The package's own file names folders of AWS Lambda; text without any font renders as boxes. */
function fontsConf(packaged: string, cache: string): string {
  const folders = [packaged, '/usr/share/fonts', '/usr/local/share/fonts'];
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    '<fontconfig>',
    ...folders.map((folder) => `  <dir>${folder}</dir>`),
    `  <cachedir>${cache}</cachedir>`,
    '</fontconfig>',
    '',
  ].join('\n');
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => !!entry[1]));
}
