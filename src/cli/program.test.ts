import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildProgram, commandWord, wantsJson } from './program.ts';
import { completionScript } from './support/completion-script.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-program-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const launcher = fileURLToPath(new URL('../../bin/postern', import.meta.url));

/** Calls the real launcher with no profile and no server. */
function postern(
  args: readonly string[],
  node: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: directory, NO_COLOR: '1' };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...node, launcher, ...args],
      { env },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
    child.stdin?.end();
  });
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

describe('the program', () => {
  it('describes every command and every flag', async () => {
    const program = await buildProgram('completion');
    assert.ok(leaves(program).length > 25);
    for (const command of leaves(program)) {
      assert.ok(command.description().length > 10, command.name());
      for (const option of command.options)
        assert.ok(option.description !== '', `${command.name()} ${option.flags}`);
    }
  });

  it('offers JSON wherever there are results', async () => {
    const program = await buildProgram('completion');
    for (const command of leaves(program)) {
      if (['completion', 'serve', 'verify-page', 'witness'].includes(command.name())) continue;
      assert.ok(
        command.options.some((option) => option.long === '--json'),
        command.name(),
      );
    }
  });

  it('takes no secret as the value of a flag', async () => {
    for (const command of leaves(await buildProgram('completion'))) {
      for (const option of command.options) {
        assert.doesNotMatch(
          option.long ?? '',
          /(?:password|token|secret)$/,
          `${command.name()} ${option.flags}`,
        );
      }
    }
  });

  it('finds the word that names the command, and --json unless it belongs to another program', () => {
    assert.equal(commandWord(['--help', 'grant', 'list']), 'grant');
    assert.equal(commandWord(['help', 'grant']), 'grant');
    assert.equal(commandWord([]), undefined);
    assert.equal(wantsJson(['whoami', '--json']), true);
    assert.equal(wantsJson(['run', '--', 'jq', '--json']), false);
  });
});

describe('the launcher', () => {
  it('ends with 0 for help and version that were asked for', async () => {
    for (const args of [
      ['--help'],
      ['help', 'grant'],
      ['grant', 'add', '--help'],
      ['version'],
      ['version', '--json'],
    ]) {
      const { code, stdout, stderr } = await postern(args);
      assert.equal(code, 0, args.join(' '));
      assert.notEqual(stdout, '');
      assert.equal(stderr, '');
    }
  });

  it('ends with 2 when it is called in a wrong way, and says how', async () => {
    const wrong = [
      [],
      ['bogus'],
      ['grant', 'bogus'],
      ['grant', 'add'],
      ['activity', '--limit', '0'],
      ['run', '--resource', 'x'],
    ];
    for (const args of wrong) {
      const { code, stdout, stderr } = await postern(args);
      assert.equal(code, 2, args.join(' '));
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    }
  });

  it('ends with 1 when it fails, and tells it as one line of JSON where JSON is wanted', async () => {
    const plain = await postern(['whoami', '--api', 'https://127.0.0.1:1']);
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /^postern: cannot connect to .* \(CLI_CANNOT_CONNECT\)\n {2}hint: /);
    const json = await postern(['whoami', '--api', 'https://127.0.0.1:1', '--json']);
    assert.equal(JSON.parse(json.stderr).error.code, 'CLI_CANNOT_CONNECT');
    const usage = await postern(['grant', 'add', '--json']);
    assert.equal(usage.code, 2);
    assert.equal(JSON.parse(usage.stderr).error.code, 'CLI_USAGE');
  });

  it('asks for no secret where there is no terminal', async () => {
    const { code, stderr } = await postern(['setup', '--name', 'Ada', '--email', 'a@b.example']);
    assert.equal(code, 2);
    assert.match(stderr, /POSTERN_SETUP_TOKEN/);
  });

  it('takes the Node that the package brings when the one it was started with is too old', async () => {
    const old = join(directory, 'old.cjs');
    writeFileSync(
      old,
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.0.0' } });",
    );
    const good = await postern(['version'], ['--require', old]);
    assert.equal(good.code, 0);
    assert.match(good.stdout, /Node 2[4-9]/);
    const bad = await postern(['bogus'], ['--require', old]);
    assert.equal(bad.code, 2);
  });
});

describe('completions', () => {
  const inBash = async (line: string): Promise<string[]> => {
    const file = join(directory, 'completion.bash');
    writeFileSync(file, completionScript('bash', await buildProgram('completion')));
    const words = line.split(' ');
    const script = `source ${file}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return new Promise((resolve, reject) => {
      execFile('bash', ['--norc', '-c', script], (error, stdout) => {
        if (error) reject(error);
        else resolve(stdout.split('\n').filter((word) => word !== ''));
      });
    });
  };

  it('offer commands, flags and their choices', async () => {
    assert.deepEqual(await inBash('postern gra'), ['grant']);
    assert.deepEqual((await inBash('postern grant ')).slice(0, 4), ['add', 'list', 'show', 'revoke']);
    assert.deepEqual(await inBash('postern grant list --st'), ['--status']);
    assert.deepEqual(await inBash('postern grant list --status '), ['active', 'expired', 'revoked', 'all']);
    assert.deepEqual(await inBash('postern activity --principal x --format c'), ['csv']);
  });

  it('leave the command of "run" alone', async () => {
    assert.deepEqual(await inBash('postern run --grant x -- psql --'), []);
  });

  it('are made for zsh and fish too, with every command in them', async () => {
    const program = await buildProgram('completion');
    for (const shell of ['zsh', 'fish'] as const) {
      const script = completionScript(shell, program);
      for (const command of leaves(program))
        assert.ok(script.includes(command.name()), `${shell} ${command.name()}`);
    }
  });
});
