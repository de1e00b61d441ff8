/**
 * Programs that tests, demo and benchmarks need beyond npm: real clients and servers of the distribution.
 * What is missing is installed; what cannot be installed is an error with the command to run, never a skip.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program, or a file that is not one: a library, a driver. */
export type Needed = {
  /** The Debian package that holds it. */
  readonly package: string;
} & ({ readonly command: string } | { readonly file: string });

export const PSQL = { command: 'psql', package: 'postgresql-client' } as const satisfies Needed;
export const PGBENCH = { command: 'pgbench', package: 'postgresql' } as const satisfies Needed;
export const PGBOUNCER = { command: 'pgbouncer', package: 'pgbouncer' } as const satisfies Needed;
export const CHROMIUM = { command: 'chromium', package: 'chromium' } as const satisfies Needed;
export const CURL = { command: 'curl', package: 'curl' } as const satisfies Needed;
export const NGINX = { command: 'nginx', package: 'nginx-light' } as const satisfies Needed;
export const H2LOAD = { command: 'h2load', package: 'nghttp2-client' } as const satisfies Needed;
export const OPENSSL = { command: 'openssl', package: 'openssl' } as const satisfies Needed;
export const SSH_KEYGEN = { command: 'ssh-keygen', package: 'openssh-client' } as const satisfies Needed;
export const SSHD = { command: 'sshd', package: 'openssh-server' } as const satisfies Needed;
export const SOFTHSM = { command: 'softhsm2-util', package: 'softhsm2' } as const satisfies Needed;
export const PKCS11_TOOL = { command: 'pkcs11-tool', package: 'opensc' } as const satisfies Needed;
export const KCAT = { command: 'kcat', package: 'kcat' } as const satisfies Needed;
export const STRACE = { command: 'strace', package: 'strace' } as const satisfies Needed;

/** Debian keeps servers where an ordinary user's path does not look. */
const EXTRA_DIRECTORIES = ['/usr/sbin', '/sbin'];

/** Where a program is; null when it is not installed. */
export function findCommand(command: string, path = process.env.PATH ?? ''): string | null {
  for (const directory of [...path.split(delimiter), ...EXTRA_DIRECTORIES]) {
    const file = join(directory, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return null;
}

function isThere(needed: Needed): boolean {
  return 'command' in needed ? findCommand(needed.command) !== null : existsSync(needed.file);
}

const nameOf = (needed: Needed): string => ('command' in needed ? needed.command : needed.file);

/**
 * Installs the packages of those programs that are missing, with apt-get, as root or through sudo where that
 * asks no password. Says so in one line. Services of the packages are not started and PostgreSQL makes no
 * database cluster.
 *
 * @throws Error with the command to run by hand
 */
export function ensureDebianPackages(needed: readonly Needed[]): void {
  const missing = needed.filter((one) => !isThere(one));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((one) => one.package))];
  const byHand = `apt-get update && apt-get install --no-install-recommends ${packages.join(' ')}`;
  const say = `needed and not installed: ${missing.map(nameOf).join(', ')}`;
  const asRoot = rootPrefix();
  if (findCommand('apt-get') === null || asRoot === null) {
    throw new Error(`${say}. Run as root: ${byHand}`);
  }
  process.stderr.write(`postern: ${say}; installing ${packages.join(', ')} with apt-get\n`);
  try {
    sh(asRoot, INSTALL, packages);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${say}. Run as root: ${byHand}`);
  }
  const still = missing.filter((one) => !isThere(one));
  if (still.length > 0) throw new Error(`apt-get succeeded, but ${say}`);
}

/**
 * `policy-rc.d` is Debian's way to keep packages from starting services; one that exists is left alone. The
 * file below createcluster.d keeps the server package from making a cluster, so `postgresql-common`, which owns
 * that directory, goes first.
 */
const INSTALL = `
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
for package in "$@"; do
  if [ "$package" = postgresql ]; then
    apt-get install -q -y --no-install-recommends postgresql-common
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/postern.conf
  fi
done
apt-get install -q -y --no-install-recommends "$@"
`;

function sh(prefix: readonly string[], script: string, args: readonly string[]): void {
  const [command, ...rest] = [...prefix, '/bin/sh', '-c', script, 'install', ...args];
  const result = spawnSync(command as string, rest, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${result.stdout}${result.stderr}`.trim().slice(-2000));
}

/** What to put before a command to run it as root; null when that is not possible without asking. */
function rootPrefix(): readonly string[] | null {
  if (process.getuid?.() === 0) return [];
  if (!existsSync('/usr/bin/sudo')) return null;
  return spawnSync('/usr/bin/sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['/usr/bin/sudo', '-n']
    : null;
}
