import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPostern, type TestPostern } from './support/postern.ts';
import { type Finished, type Running, run, start } from './support/processes.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

interface Witnesses {
  readonly items: readonly { readonly name: string; readonly state: string; readonly size: number | null }[];
  readonly cosigned: { readonly size: number } | null;
  readonly policy: { readonly met: boolean } | null;
}

describe('a log with a witness', () => {
  const home = mkdtempSync(join(tmpdir(), 'postern-witness-'));
  const dataDir = join(home, 'data');
  const file = (name: string): string => join(home, name);
  let postern: TestPostern;
  let witness: Running;
  let vkey = '';
  let token = '';

  const cli = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
    run(process.execPath, [MAIN, ...args], { env: { ...process.env, POSTERN_TOKEN: token, ...env } });
  const startWitness = async (listen: string): Promise<Running> => {
    const args = ['witness', '--data', file('witness'), '--listen', listen, '--name', 'audit.example/w'];
    const ca = join(dataDir, 'ca');
    args.push('--tls-cert', join(ca, 'server.crt'), '--tls-key', join(ca, 'server.key'));
    const running = await start(process.execPath, [MAIN, ...args, '--log', join(dataDir, 'log', 'log.vkey')]);
    await running.waitFor(/^\S+\+[0-9a-f]{8}\+\S+\n/);
    await running.waitFor(/watches .*\n/);
    return running;
  };
  const until = async (holds: (now: Witnesses) => boolean): Promise<Witnesses> => {
    for (let i = 0; ; i++) {
      const now = await postern.call<Witnesses>('GET', '/v1/ledger/witnesses');
      if (holds(now)) return now;
      assert.ok(i < 300, JSON.stringify(now));
      await sleep(100);
    }
  };

  before(async () => {
    const first = await startPostern({ dataDir });
    token = first.token;
    await first.stop();
    witness = await startWitness('127.0.0.1:0');
    [vkey = ''] = await witness.waitFor(/^\S+\+[0-9a-f]{8}\+\S+/);
    const [, url] = await witness.waitFor(/witness on (https:\S+)/);
    const log = readFileSync(join(dataDir, 'log', 'log.vkey'), 'utf8').trim();
    writeFileSync(file('policy'), `log ${log}\nwitness audit ${vkey} ${url}\nquorum audit\n`);
    const config = {
      witnesses: [{ name: 'audit', url, vkey, ca: join(dataDir, 'ca', 'ca.crt') }],
      witnessSeconds: 1,
      policy: file('policy'),
    };
    writeFileSync(file('config.json'), JSON.stringify(config));
    postern = await startPostern({ dataDir, token, args: ['--config', file('config.json')] });
  });
  after(async () => {
    await postern.stop();
    await witness.stop();
    rmSync(home, { recursive: true });
  });

  it('is cosigned, and the command line says by whom and whether the policy is met', async () => {
    const now = await until(({ items }) => items[0]?.state === 'ok');
    assert.equal(now.policy?.met, true);
    const shown = await cli(['ledger', 'witnesses', '--data', dataDir]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /audit +ok +\d+/);
    assert.match(shown.stderr, /The policy is met/);
    const json = JSON.parse((await cli(['ledger', 'witnesses', '--data', dataDir, '--json'])).stdout);
    assert.equal(json.items[0].periods.length, 1);
    assert.equal(statSync(join(dataDir, 'witness.db')).mode & 0o777, 0o600);
  });

  it('gives packages that say so, and verify against the policy that the examiner holds', async () => {
    const out = file('package.zip');
    const made = await cli(['evidence', 'export', '--out', out, '--data', dataDir]);
    assert.equal(made.code, 0, made.stderr);
    const verified = await cli(['verify', out, '--policy', file('policy')]);
    assert.equal(verified.code, 0, verified.stdout);
    assert.match(
      verified.stdout,
      /your policy is met by the checkpoint\n +audit \(audit\.example\/w\) cosigned it at 20/,
    );
    writeFileSync(file('none'), readFileSync(file('policy'), 'utf8').replace(/^log .*/m, ''));
    assert.equal((await cli(['verify', out, '--policy', file('none')])).code, 0);
  });

  it('goes on without the witness and says so; one data directory has one witness', async () => {
    const args = ['witness', '--data', file('witness'), '--listen', '127.0.0.1:0'];
    const second = await cli([...args, '--log', join(dataDir, 'log', 'log.vkey')]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /POSTERN_CONFLICT/);
    const [, port] = await witness.waitFor(/witness on https:\/\/127\.0\.0\.1:(\d+)/);
    assert.equal((await witness.stop()).code, 0);
    await postern.call('POST', '/v1/persons', { name: 'Ed', email: 'ed@example.com', roles: ['auditor'] });
    await until(({ items }) => items[0]?.state === 'unreachable');
    const health = await postern.call<{ status: string; warnings: string[] }>('GET', '/healthz');
    assert.equal(health.status, 'ok');
    assert.match(health.warnings.join(), /The witness audit is unreachable/);
    witness = await startWitness(`127.0.0.1:${port}`);
    const [again = ''] = await witness.waitFor(/^\S+\+[0-9a-f]{8}\+\S+/);
    assert.equal(again, vkey);
    await until(({ items }) => items[0]?.state === 'ok');
  });

  it('replaces its signing key under the eyes of the witness, which holds the old one', async () => {
    const before = readFileSync(join(dataDir, 'log', 'log.vkey'), 'utf8').trim();
    const done = await cli(['ledger', 'rotate-key', '--reason', 'yearly', '--data', dataDir, '--json']);
    assert.equal(done.code, 0, done.stderr);
    const { after: keys } = JSON.parse(done.stdout) as { after: string[] };
    assert.equal(keys[1], before);
    const { size } = await postern.call<{ size: number }>('GET', '/v1/ledger');
    const now = await until(({ items }) => (items[0]?.size ?? 0) >= size);
    assert.equal(now.items[0]?.state, 'ok');
    assert.match((await cli(['ledger', 'status', '--data', dataDir])).stdout, /as it retires/);
    const out = file('rotated.zip');
    assert.equal((await cli(['evidence', 'export', '--out', out, '--data', dataDir])).code, 0);
    for (const key of [before, keys[0] as string, join(dataDir, 'log', 'log.vkey')]) {
      const verified = await cli(['verify', out, '--key', key, '--policy', file('policy')]);
      assert.equal(verified.code, 0, verified.stdout);
    }
    const auditor = await postern.call<{ token: string }>('POST', '/v1/persons/ed@example.com/tokens', {});
    await assert.rejects(postern.call('POST', '/v1/ledger/rotate-key', { reason: 'x' }, auditor.token), {
      status: 403,
    });
  });
});

describe('a signing key from outside', () => {
  it('comes from a file, a variable or a command; it is not in the data directory and not in what is printed', async () => {
    const home = mkdtempSync(join(tmpdir(), 'postern-key-'));
    const made = await run(process.execPath, [MAIN, 'ledger', 'make-key', 'bank.example/log']);
    const key = made.stdout.trim();
    assert.match(key, /^PRIVATE\+KEY\+bank\.example\/log\+/);
    assert.match(made.stderr, /verifier key: bank\.example\/log\+/);
    writeFileSync(join(home, 'key'), made.stdout, { mode: 0o600 });
    let token: string | undefined;
    const sources = [
      { file: join(home, 'key') },
      { environment: 'TEST_LOG_KEY' },
      { command: ['cat', join(home, 'key')] },
    ];
    for (const logKey of sources) {
      writeFileSync(join(home, 'config.json'), JSON.stringify({ logKey }));
      const postern = await startPostern({
        dataDir: join(home, 'data'),
        args: ['--config', join(home, 'config.json')],
        env: { ...process.env, TEST_LOG_KEY: key },
        ...(token !== undefined && { token }),
      });
      token = postern.token;
      const { origin } = await postern.call<{ origin: string }>('GET', '/v1/ledger');
      assert.equal(origin, 'bank.example/log');
      await postern.stop();
      assert.ok(!postern.running.stdout.includes('PRIVATE') && !postern.running.stderr.includes('PRIVATE'));
    }
    const held = await run('grep', ['-rlF', key.split('+').slice(4).join('+'), join(home, 'data')]);
    assert.equal(held.stdout, '');
    const wrong = [
      { file: join(home, 'none') },
      { environment: 'TEST_NONE' },
      { command: ['false'] },
      { command: ['/none'] },
    ];
    for (const logKey of wrong) {
      writeFileSync(join(home, 'config.json'), JSON.stringify({ logKey }));
      const args = ['serve', '--data', join(home, 'data'), '--config', join(home, 'config.json')];
      const refused = await run(process.execPath, [MAIN, ...args, '--api-port', '0', '--postgres-port', '0']);
      assert.equal(refused.code, 1, JSON.stringify(logKey));
    }
    rmSync(home, { recursive: true });
  });
});
