/**
 * All tests, with their set-up: `npm test`. Arguments keep those files whose path holds one of them:
 * `npm test -- src/ledger`. Those of stock clients, which install a good deal, run when asked for: `npm run test:clients`.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureDebianPackages, OPENSSL, PSQL, SSH_KEYGEN } from './need.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Unit tests first: when they fail, what the end-to-end tests say is of less interest. */
const ORDER = ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts', 'test/**/*.test.ts'];

const CLIENTS = 'test/clients/';

const wanted = process.argv.slice(2);
const files = ORDER.flatMap((pattern) => globSync(pattern, { cwd: root }).sort()).filter((file) =>
  wanted.length === 0
    ? !file.startsWith(CLIENTS)
    : wanted.some((part) => file.includes(part.replace(/^\.\//, ''))),
);

if (files.length === 0) {
  process.stderr.write(`no test file matches ${wanted.join(' ')}\n`);
  process.exitCode = 1;
} else {
  ensureDebianPackages([PSQL, OPENSSL, SSH_KEYGEN]);
  const runner = spawn(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
  runner.on('close', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 1;
  });
}
