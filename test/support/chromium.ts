// Chromium as tests start it, where it is installed.

import { existsSync } from 'node:fs';
import type { LaunchOptions } from 'playwright-core';

/** Without these, Chromium looks for Google's hosts as soon as it starts. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

/** Why there is no Chromium here, or undefined. */
export const noChromium: string | undefined = executablePath === undefined ? 'Chromium is not installed' : undefined;

/** For `chromium.launch` and its like. */
export const chromiumOptions: LaunchOptions = { ...(executablePath !== undefined && { executablePath }), args: FLAGS };
