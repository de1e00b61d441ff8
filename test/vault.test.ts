import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential } from './support/bank.ts';
import { makeOldDirectory } from './support/before-keyring.ts';
import { startPostern } from './support/postern.ts';

interface Status {
  readonly masterKey: { readonly id: string; readonly provider: string };
  readonly dataKeys: readonly {
    readonly number: number;
    readonly current: boolean;
    readonly secrets: number;
    readonly textKeys: number;
  }[];
  readonly unknown: number;
  readonly resealing: boolean;
}

describe('the keys under which secrets are sealed', () => {
  let bank: Bank;
  let dataDir: string;
  let who: Credential;
  /** Files as they were, for what is to be gone. */
  const marks: string[] = [];

  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'postern-vault-'));
    bank = await Bank.start({ dataDir });
    who = await bank.identity('vault-job', 'select on ledger.*');
  });
  after(async () => {
    await bank.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const ask = async (text: string): Promise<void> => {
    const client = await bank.connect(who);
    await client.query(text);
    await client.end();
  };
  /** Starts Postern again on the same data. */
  const restart = async (): Promise<void> => {
    const { token } = bank.postern;
    (bank as { postern: Bank['postern'] }).postern = await startPostern({ dataDir, token });
  };
  const status = (): Promise<Status> => bank.postern.call('GET', '/v1/vault');
  const settled = async (): Promise<Status> => {
    for (let i = 0; i < 200; i++) {
      const now = await status();
      if (!now.resealing && now.dataKeys.length === 1) return now;
      await sleep(50);
    }
    throw new Error(`it does not come to an end: ${JSON.stringify(await status())}`);
  };
  /** All texts of the job can be read, and everything else that is sealed opens. */
  const allOpens = async (texts: readonly string[]): Promise<void> => {
    const read: (string | null)[] = [];
    for (const { id, type } of await bank.commands('vault-job')) {
      if (type === 'command.intent') read.push((await bank.statement(id)).statement);
    }
    for (const text of texts) assert.ok(read.includes(text), `${text} is not among ${read.join('; ')}`);
  };

  it('a data directory of version 0.1 is carried over, with passwords, credentials and texts', async () => {
    await ask('SELECT 1 AS before_the_keyring');
    await bank.postern.stop();
    await makeOldDirectory(dataDir);
    await restart();
    await ask('SELECT 2 AS after_the_keyring');
    const { dataKeys, unknown } = await settled();
    assert.deepEqual([dataKeys[0]?.number, unknown], [1, 0]);
    assert.ok((dataKeys[0]?.secrets ?? 0) >= 3 && (dataKeys[0]?.textKeys ?? 0) >= 1);
    await allOpens(['SELECT 1 AS before_the_keyring', 'SELECT 2 AS after_the_keyring']);
  });

  it('the master key is replaced while sessions go on; the old one opens nothing any more', async () => {
    marks.push(readFileSync(join(dataDir, 'master.key'), 'utf8').trim());
    const client = await bank.connect(who);
    const first = await settled();
    const [answer] = await Promise.all([
      bank.postern.call<{ before: { id: string }; after: { id: string } }>(
        'POST',
        '/v1/vault/rotate-master-key',
        { reason: 'a test of rotation' },
      ),
      client.query('SELECT 3 AS while_it_rotates'),
    ]);
    await client.query('SELECT 4 AS after_it_rotated');
    await client.end();
    const now = await settled();
    assert.equal(answer.before.id, first.masterKey.id);
    assert.equal(now.masterKey.id, answer.after.id);
    assert.notEqual(now.masterKey.id, first.masterKey.id);
    assert.deepEqual([now.dataKeys[0]?.number, now.unknown], [2, 0]);
    for (const name of readdirSync(dataDir, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue;
      const bytes = readFileSync(join(name.parentPath, name.name));
      for (const mark of marks)
        assert.ok(!bytes.includes(mark) && !bytes.includes(Buffer.from(mark, 'base64')), name.name);
    }
    const { items } = await bank.postern.call<{ items: { id: string; type: string }[] }>(
      'GET',
      '/v1/activity?type=change&order=desc&limit=20',
    );
    const record = items.find(({ type }) => type === 'vault.key.rotated');
    assert.ok(record, 'the change is not in the log');
    const told = JSON.stringify(await bank.statement(record.id));
    assert.ok(told.includes('a test of rotation') && told.includes(now.masterKey.id));
  });

  it('killed at any moment of it, the directory starts and everything opens', async () => {
    const texts = ['SELECT 1 AS before_the_keyring', 'SELECT 3 AS while_it_rotates'];
    for (const pause of [0, 3, 8, 20]) {
      await settled();
      const rotating = bank.postern
        .call('POST', '/v1/vault/rotate-master-key', { reason: 'killed' })
        .catch(() => null);
      await sleep(pause);
      await bank.postern.running.stop('SIGKILL');
      await rotating;
      await restart();
      const text = `SELECT ${10 + pause} AS after_the_kill`;
      await ask(text);
      texts.push(text);
      await allOpens(texts);
      assert.equal((await settled()).unknown, 0);
    }
  });

  it('no process that serves clients has a secret in its environment or its command line', async () => {
    await bank.postern.stop();
    const { token } = bank.postern;
    const key = readFileSync(join(dataDir, 'master.key'), 'utf8').trim();
    const env = { ...process.env, POSTERN_MASTER_KEY: key, POSTERN_OTHER_SECRET: 'hidden-Zq9' };
    (bank as { postern: Bank['postern'] }).postern = await startPostern({ dataDir, token, env });
    await ask('SELECT 5 AS with_the_key_in_the_environment');
    const { workers } = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as { workers: number[] };
    assert.ok(workers.length > 0);
    for (const pid of workers) {
      for (const file of ['environ', 'cmdline']) {
        const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
        for (const secret of [key, 'hidden-Zq9', bank.ledger.password])
          assert.ok(!text.includes(secret), `${file} of ${pid}`);
      }
    }
    // The key that stands in the environment is gone from there once it was read, so it cannot be fetched again.
    await assert.rejects(
      () => bank.postern.call('POST', '/v1/vault/rotate-master-key', { reason: 'no' }),
      /is empty/,
    );
  });
});
