import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startPostern, type TestPostern } from './support/postern.ts';
import { type Finished, run } from './support/processes.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));

let postern: TestPostern;
let home = '';
let vkey = '';
let served = '';
/** Ids of the records of people added, in their order. */
let ids: string[] = [];

before(async () => {
  postern = await startPostern({ args: ['--workers', '1'] });
  home = mkdtempSync(join(tmpdir(), 'postern-prove-'));
  served = `https://${postern.api.host}:${postern.api.port}/log`;
  for (let i = 0; i < 300; i++) {
    const person = { name: `Person ${i}`, email: `p${i}@bank.example`, roles: ['auditor'] };
    await postern.call('POST', '/v1/persons', person);
  }
  vkey = readFileSync(join(postern.dataDir, 'log', 'log.vkey'), 'utf8').trim();
  const list = await json<{ items: { id: string }[] }>(['activity', '--type', 'change', '--order', 'asc']);
  ids = list.items.map(({ id }) => id);
});
after(async () => {
  await postern.stop();
  rmSync(home, { recursive: true, force: true });
});

/** Calls `postern` as an administrator of the running one. */
function call(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return run(process.execPath, [LAUNCHER, ...args], {
    cwd: home,
    env: {
      ...process.env,
      XDG_CONFIG_HOME: join(home, 'config'),
      POSTERN_API: served.slice(0, -'/log'.length),
      POSTERN_CA: postern.caFile,
      POSTERN_TOKEN: postern.token,
      ...env,
    },
  });
}

async function json<T>(args: readonly string[], env: NodeJS.ProcessEnv = {}, code = 0): Promise<T> {
  const done = await call([...args, '--json'], env);
  assert.equal(done.code, code, `postern ${args.join(' ')}\n${done.stdout}${done.stderr}`);
  return JSON.parse(done.stdout) as T;
}

interface Verdict {
  readonly ok: boolean;
  readonly size: number;
  readonly entries?: boolean;
  readonly leaf?: number;
  readonly record?: { readonly id: string };
  readonly findings: readonly {
    readonly severity: string;
    readonly file: string;
    readonly message: string;
  }[];
}

describe('postern prove', () => {
  it('writes a proof that verifies offline with the key alone and says which record it is of', async () => {
    const [id = ''] = ids.slice(40);
    const done = await call(['prove', id]);
    assert.equal(done.code, 0, done.stderr);
    const file = join(home, `${id}.tlog-proof`);
    assert.match(readFileSync(file, 'utf8'), /^c2sp\.org\/tlog-proof@v1\nextra \S+\nindex [1-9][0-9]*\n/);
    const verdict = await json<Verdict>(['verify', file, '--key', vkey], {
      POSTERN_API: '',
      POSTERN_TOKEN: '',
    });
    assert.deepEqual([verdict.ok, verdict.record?.id], [true, id]);
    assert.equal((await call(['prove', id])).code, 1, 'a proof is never written over');
    assert.equal((await call(['verify', file])).code, 2, 'without a key nothing is proved');
  });

  it('a proof of another record, another tree or another log does not hold', async () => {
    const [a = '', b = ''] = ids.slice(50);
    await call(['prove', a, '--out', 'a.proof']);
    await call(['prove', b, '--out', 'b.proof']);
    const text = readFileSync(join(home, 'a.proof'), 'utf8');
    const other = readFileSync(join(home, 'b.proof'), 'utf8');
    const swapped = text.replace(/extra \S+/, other.match(/extra \S+/)?.[0] ?? '');
    const moved = text.replace(/index \d+/, 'index 3');
    for (const changed of [swapped, moved]) {
      writeFileSync(join(home, 'changed.proof'), changed);
      const { ok, findings } = await json<Verdict>(['verify', 'changed.proof', '--key', vkey], {}, 3);
      assert.equal(ok, false);
      assert.match(
        findings[0]?.message ?? '',
        /^The entry is not leaf \d+ of the \d+ leaves that were signed/,
      );
    }
    writeFileSync(join(home, 'size.proof'), text.replace(/\n\n([^\n]+)\n(\d+)\n/, '\n\n$1\n9$2\n'));
    const forged = await call(['verify', 'size.proof', '--key', vkey]);
    assert.notEqual(forged.code, 0);
    assert.match(forged.stderr, /signature .* does not fit/);
  });

  it('takes the entry from a file where the proof does not hold it, and compares it where it does', async () => {
    const [a = '', b = ''] = ids.slice(60);
    const { proof } = await json<{ proof: string }>(['prove', a, '--out', 'entry.proof']);
    const entry = Buffer.from(proof.match(/extra (\S+)/)?.[1] ?? '', 'base64');
    writeFileSync(join(home, 'bare.proof'), proof.replace(/extra \S+\n/, ''));
    writeFileSync(join(home, 'entry.json'), entry);
    writeFileSync(join(home, 'other.json'), entry.toString().replace(a, b));
    const bare = await json<Verdict>(['verify', 'bare.proof', '--key', vkey], {}, 3);
    assert.match(bare.findings[0]?.message ?? '', /must be given/);
    await json<Verdict>(['verify', 'bare.proof', '--key', vkey, '--entry', 'entry.json']);
    await json<Verdict>(['verify', 'entry.proof', '--key', vkey, '--entry', 'entry.json']);
    await json<Verdict>(['verify', 'entry.proof', '--key', vkey, '--entry', 'other.json'], {}, 3);
  });
});

describe('postern ledger consistency', () => {
  it('proves that the log continues a checkpoint, and that it does not where it was rewritten', async () => {
    const { checkpoint } = await json<{ checkpoint: string }>(['ledger', 'status']);
    writeFileSync(join(home, 'old.checkpoint'), checkpoint);
    await postern.call('POST', '/v1/persons', { name: 'New', email: 'new@bank.example', roles: ['auditor'] });
    const now = await json<{ old: number; size: number; holds: boolean }>([
      'ledger',
      'consistency',
      'old.checkpoint',
      '--out',
      'proof',
    ]);
    assert.ok(now.holds && now.size > now.old);
    assert.match(readFileSync(join(home, 'proof'), 'utf8'), new RegExp(`^old ${now.old}\n`));
    const bySize = await json<{ holds: null }>(['ledger', 'consistency', '5']);
    assert.equal(bySize.holds, null);
    const tooFar = await call(['ledger', 'consistency', '99999999']);
    assert.match(tooFar.stderr, /POSTERN_INVALID/);
    writeFileSync(join(home, 'forged.checkpoint'), checkpoint.replace(/\n\d+\n/, '\n7\n'));
    assert.match(
      (await call(['ledger', 'consistency', 'forged.checkpoint'])).stderr,
      /does not fit the text/,
    );
  });
});

describe('postern verify of a served log', () => {
  it('rebuilds it from the entries with a token, and from the hashes without one', async () => {
    const whole = await json<Verdict>(['verify', served, '--key', vkey]);
    assert.deepEqual([whole.ok, whole.entries], [true, true]);
    assert.ok(whole.size > 300);
    const hashes = await json<Verdict>(['verify', served, '--key', vkey], { POSTERN_TOKEN: '' });
    assert.deepEqual([hashes.ok, hashes.entries], [true, false]);
  });

  it('refuses a wrong token, another key, no key and an address that is no log', async () => {
    const wrong = await call(['verify', served, '--key', vkey], { POSTERN_TOKEN: 'pat_wrong' });
    assert.match(wrong.stderr, /HTTP status 401/);
    const other = vkey.replace(/^[^+]+/, 'postern.local/other');
    assert.equal((await call(['verify', served, '--key', other])).code, 1);
    assert.equal((await call(['verify', served])).code, 2);
    assert.equal((await call(['verify', served.replace('https', 'http'), '--key', vkey])).code, 2);
    assert.match((await call(['verify', `${served}x`, '--key', vkey])).stderr, /there is no log at/);
  });
});

describe('postern ledger check', () => {
  it('finds nothing wrong in the data directory of a running Postern, and verify does the same', async () => {
    const checked = await json<Verdict>(['ledger', 'check', '--data', postern.dataDir]);
    assert.ok(checked.ok && checked.size > 300);
    assert.ok((await json<Verdict>(['verify', postern.dataDir, '--key', vkey])).ok);
    const log = await json<Verdict>(['verify', join(postern.dataDir, 'log'), '--key', vkey]);
    assert.ok(log.ok && log.entries);
    assert.match(
      (await call(['ledger', 'check', '--data', postern.dataDir])).stdout,
      /\nresult {2,}holds\n$/,
    );
  });

  it('names every file and record that is wrong, and ends with 3', async () => {
    const copy = join(home, 'copy');
    cpSync(postern.dataDir, copy, { recursive: true });
    const bundle = join(copy, 'log', 'tile', 'entries', '000');
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('Person 42"', 'Person 43"'), 'latin1');
    const { ok, findings } = await json<Verdict>(['ledger', 'check', '--data', copy], {}, 3);
    assert.equal(ok, false);
    assert.ok(
      findings.some(
        ({ file, message }) => file === 'log/tile/entries/000' && /leaf \d+ is not the one/.test(message),
      ),
      JSON.stringify(findings),
    );
    assert.equal((await call(['ledger', 'check', '--data', home])).code, 2);
  });

  it('an index that is gone is made anew from the log, while Postern does not run', async () => {
    const busy = await call(['ledger', 'rebuild-index', '--data', postern.dataDir]);
    assert.match(busy.stderr, /POSTERN_CONFLICT/);
    const copy = join(home, 'without-index');
    cpSync(postern.dataDir, copy, { recursive: true });
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(copy, `index.db${suffix}`), { force: true });
    const before = await json<Verdict>(['ledger', 'check', '--data', copy], {}, 3);
    assert.deepEqual(
      before.findings.map(({ file, message }) => `${file} ${message}`),
      ['index.db is missing'],
    );
    const { leaves } = await json<{ leaves: number }>(['ledger', 'rebuild-index', '--data', copy]);
    assert.equal(leaves, before.size);
    assert.ok((await json<Verdict>(['ledger', 'check', '--data', copy])).ok);
    assert.ok(!existsSync(join(copy, 'index.db.new')));
  });
});
