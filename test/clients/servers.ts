/**
 * Servers of the older major versions. They are packages of a manifest of their own (servers/package.json), so that only these
 * tests pay for them: 290 MB for the five.
 */
import { execFileSync, type StdioOptions } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedNative } from '../support/postgres-files.ts';

const DIRECTORY = fileURLToPath(new URL('./servers/', import.meta.url));

/** Nobody packages those before 15 for other processors. */
const OLDER = process.arch === 'x64' ? [13, 14, 15, 16, 17] : [15, 16, 17];

/** The major versions that can be had here. */
export const SERVERS: readonly number[] = [...OLDER, 18];

/**
 * Installs what is missing.
 *
 * @throws Error with what npm said
 */
export function ensureServers(): void {
  const stamp = join(DIRECTORY, 'node_modules', '.postern-installed');
  const lock = readFileSync(join(DIRECTORY, 'package-lock.json'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const quiet: StdioOptions = ['ignore', 'ignore', 'pipe'];
  execFileSync('npm', ['ci', '--ignore-scripts', '--loglevel=error'], { cwd: DIRECTORY, stdio: quiet });
  // Libraries find each other through symbolic links, which npm's packages cannot hold.
  for (const major of OLDER) {
    execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageOf(major), stdio: quiet });
  }
  writeFileSync(stamp, lock);
}

const packageOf = (major: number): string => join(DIRECTORY, 'node_modules', `${process.arch}-${major}`);

/** Where the programs and libraries of a version are. */
export function nativeOf(major: number): string {
  return major === 18 ? embeddedNative() : join(packageOf(major), 'native');
}
