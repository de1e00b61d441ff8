/** A revocation that is recorded holds, whatever becomes of the database of state. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Bank } from './support/bank.ts';
import { attachFault } from './support/faults.ts';
import { ApiFailure } from './support/postern.ts';
import { until } from './support/processes.ts';

describe('while state.db takes no commit', () => {
  let bank: Bank;
  let settled = 0;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '1'] });
  });
  after(() => bank?.stop());

  const running = (): { pid: number; workers: number[] } =>
    JSON.parse(readFileSync(join(bank.postern.dataDir, 'run.json'), 'utf8'));

  /** Lets every commit of state fail, and nothing else, while `work` runs. */
  const failing = async (work: () => Promise<void>): Promise<void> => {
    const calls = ['pwrite64', 'fsync', 'fdatasync'];
    const wal = join(bank.postern.dataDir, 'state.db-wal');
    const fault = await attachFault(running().pid, [{ calls, effect: 'error=EIO' }], wal);
    try {
      await work();
    } finally {
      await fault.end();
    }
    // Whoever changes something next finds state as the record has it.
    settled += 1;
    await bank.principal(`settled-${settled}`);
  };
  const recordedOnly = (error: unknown): boolean =>
    error instanceof ApiFailure &&
    error.code === 'POSTERN_AUDIT_UNAVAILABLE' &&
    error.message.includes('The change is recorded, but state cannot be written yet');
  const refusedFor = async (path: string, body: object): Promise<void> => {
    await assert.rejects(bank.postern.call('POST', path, body), recordedOnly);
  };

  it('a revoked grant ends its sessions within a second, stays ended for a worker that begins anew, and shows as revoked afterwards', async () => {
    const who = await bank.identity('batch', 'select on ledger.*');
    const client = await bank.connect(who);
    await client.query('select 1');
    await failing(async () => {
      await refusedFor(`/v1/grants/${who.grant}/revoke`, { reason: 'task done' });
      await until(() => client.lost.length > 0, 'the session is closed', 1000);
      assert.match(String(client.lost[0]), /the grant on ledger-db was revoked: task done/);
      await assert.rejects(bank.connect(who));
      process.kill(running().workers[0] as number, 'SIGKILL');
      let refusal = '';
      const answered = async (): Promise<boolean> => {
        refusal = await bank.connect(who).then(() => 'let in', String);
        return !/ECONN/.test(refusal);
      };
      await until(answered, 'another worker answers', 15_000);
      assert.match(refusal, /credential|grant|password/);
    });
    await until(
      async () =>
        (await bank.postern.call<{ status: string }>('GET', `/v1/grants/${who.grant}`)).status === 'revoked',
      'state shows what was recorded',
      5000,
    );
    await assert.rejects(bank.connect(who), /revoked/);
  });

  it('so do a suspended principal and a revoked credential; a grant that is recorded gives nothing before state has it', async () => {
    const suspended = await bank.identity('suspended', 'select on ledger.*');
    const revoked = await bank.identity('revoked', 'select on ledger.*');
    await bank.principal('waiting');
    const waiting = await bank.credential('waiting');
    const clients = [await bank.connect(suspended), await bank.connect(revoked)];
    await failing(async () => {
      await refusedFor('/v1/principals/suspended/suspend', { reason: 'seen elsewhere' });
      await until(() => clients[0]?.lost.length !== 0, 'the session of the principal is closed', 1000);
    });
    await failing(async () => {
      await refusedFor(`/v1/credentials/${revoked.credential}/revoke`, { reason: 'leaked' });
      await until(() => clients[1]?.lost.length !== 0, 'the session of the credential is closed', 1000);
    });
    await failing(async () => {
      await assert.rejects(bank.grant('waiting', 'select on ledger.*'), recordedOnly);
      await assert.rejects(bank.connect(waiting), /grant/);
    });
    const letIn = (): Promise<boolean> =>
      bank.connect(waiting).then(
        (client) => client.end().then(() => true),
        () => false,
      );
    await until(letIn, 'it is given', 5000);
  });
});
