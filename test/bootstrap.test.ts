import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findCommand } from '../scripts/need.ts';
import { run } from './support/processes.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const script = (name: string): string => join(root, 'scripts', name);

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-test-'));
});

after(() => rmSync(directory, { recursive: true }));

/** A directory with an executable `node` that says it is old. */
function oldNode(): string {
  const bin = join(directory, 'old-node');
  mkdirSync(bin);
  writeFileSync(join(bin, 'node'), '#!/bin/sh\necho 16\n', { mode: 0o755 });
  return bin;
}

/** A clone of a project that needs one package, `dependency`, from its own folder. */
function clone(name: string): string {
  const path = join(directory, name);
  mkdirSync(join(path, 'scripts'), { recursive: true });
  mkdirSync(join(path, 'dependency'));
  for (const file of ['bootstrap.sh', 'installed.cjs'])
    copyFileSync(script(file), join(path, 'scripts', file));
  const write = (file: string, content: object): void =>
    writeFileSync(join(path, file), JSON.stringify(content));
  const project = { name: 'project', version: '1.0.0', dependencies: { dependency: 'file:dependency' } };
  const dependency = { name: 'dependency', version: '1.0.0' };
  write('package.json', project);
  write('dependency/package.json', dependency);
  write('package-lock.json', {
    name: 'project',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: {
      '': project,
      dependency: { version: '1.0.0' },
      'node_modules/dependency': { resolved: 'dependency', link: true },
    },
  });
  return path;
}

test('whatever Node the machine has, files run under the one that the lockfile pins', async () => {
  const result = await run('/bin/sh', [script('bootstrap.sh'), '-p', 'process.version'], {
    env: { PATH: `${oldNode()}:/usr/bin:/bin` },
  });
  assert.deepEqual([result.stdout, result.stderr], [`${process.version}\n`, '']);
});

test('a fresh clone is installed once, though two commands start in it at the same time', async () => {
  const path = clone('fresh');
  const npm = findCommand('npm');
  assert.ok(npm);
  const env = {
    PATH: `${dirname(process.execPath)}:${dirname(npm)}:/usr/bin:/bin`,
    HOME: directory,
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  const command = [join(path, 'scripts/bootstrap.sh'), '-p', 'require("dependency/package.json").version'];
  const both = await Promise.all([run('/bin/sh', command, { env }), run('/bin/sh', command, { env })]);
  for (const { code, stdout, stderr } of both) assert.deepEqual([code, stdout], [0, '1.0.0\n'], stderr);
  assert.equal(both.filter(({ stderr }) => stderr.includes('installing dependencies')).length, 1);
});

test('without a pinned Node and with an old one, the command says what is missing', async () => {
  const path = clone('foreign');
  const bin = join(directory, 'foreign-bin');
  mkdirSync(bin);
  // Answers the question for its version with 16, and does nothing else.
  writeFileSync(join(bin, 'node'), '#!/bin/sh\ncase $1 in -p) echo 16 ;; -v) echo v16.0.0 ;; esac\n', {
    mode: 0o755,
  });
  symlinkSync('/bin/true', join(bin, 'npm'));
  mkdirSync(join(path, 'node_modules'));
  const result = await run('/bin/sh', [join(path, 'scripts/bootstrap.sh'), 'file.ts'], {
    env: { PATH: `${bin}:/usr/bin:/bin` },
  });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /the installed one is v16\.0\.0: Node 24 or newer is needed/);
});
