import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential } from './support/bank.ts';
import { run, start } from './support/processes.ts';

const POLICY = `apiVersion: postern/v1
kind: AccessPolicy
metadata: { name: main }
spec:
 rules:
  - name: free
    who: { principals: [reader] }
    what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 1h }
    onConnect: { scope: 'select on ledger.accounts', for: 10m }
    approve: at once
  - name: asked
    who: { principals: [writer, gone, leaver] }
    what: { resources: [ledger-db], scope: 'select on ledger.*', longest: 1h }
    onConnect: { scope: 'select on ledger.accounts', for: 10m }
    approve: [{ from: ['role:approver'] }]
  - name: never
    who: { principals: [outsider] }
    what: { resources: [ledger-db], longest: 1h }
    when: { ticket: 'CHG-*' }
    onConnect: { scope: 'select on ledger.accounts', for: 10m }
    approve: at once
`;
const COUNT = 'select count(*) > 0 from ledger.accounts';

interface Request {
  readonly id: string;
  readonly requester: { readonly kind: string; readonly name: string };
  readonly source: string | null;
  readonly grant: string | null;
}

let bank: Bank;
let approver: string;
const who = new Map<string, Credential>();
before(async () => {
  bank = await Bank.start({ args: ['--workers', '2', '--hold', '30'] });
  const { postern } = bank;
  for (const name of ['reader', 'writer', 'outsider', 'gone', 'leaver', 'plain']) {
    await bank.principal(name);
    who.set(name, await bank.credential(name));
  }
  await postern.call('POST', '/v1/policies/main', { text: POLICY, reason: 'begin' });
  const max = { name: 'Max', email: 'max@example.com', roles: ['approver'] };
  await postern.call('POST', '/v1/persons', max);
  const { token } = await postern.call<{ token: string }>('POST', '/v1/persons/max@example.com/tokens', {});
  approver = token;
});
after(() => bank.stop());

const env = (name: string): NodeJS.ProcessEnv => bank.env(who.get(name) as Credential);
const psql = (name: string, sql = COUNT) => run('psql', ['-XAtqc', sql], { env: env(name) });
const requestsOf = async (name: string, status = 'all'): Promise<readonly Request[]> =>
  (await bank.postern.call<{ items: Request[] }>('GET', `/v1/requests?principal=${name}&status=${status}`))
    .items;
async function waiting(name: string): Promise<Request> {
  for (let tries = 0; tries < 200; tries++) {
    const [request] = await requestsOf(name, 'pending');
    if (request !== undefined) return request;
    await sleep(50);
  }
  throw new Error('nothing was asked for');
}

describe('connecting without a grant', () => {
  it('asks for one where the policy says so, and lets the client in under it, whichever worker it meets', async () => {
    const sessions = await Promise.all([1, 2, 3, 4, 5, 6].map(() => psql('reader')));
    for (const { stdout, stderr } of sessions) assert.equal(stdout, 't\n', stderr);
    const requests = await requestsOf('reader');
    assert.equal(requests.length, 1);
    assert.deepEqual(
      [requests[0]?.requester.kind, requests[0]?.requester.name, requests[0]?.source],
      ['principal', 'reader', '127.0.0.1'],
    );
    // Under what the rule gives, and nothing more.
    assert.match((await psql('reader', 'select 1 from hr.salaries')).stderr, /no active grant covers/);
  });

  it('does not ask again by itself for what was revoked', async () => {
    const [request] = await requestsOf('reader');
    await bank.postern.call('POST', `/v1/grants/${request?.grant}/revoke`, { reason: 'too much' });
    await sleep(3100);
    assert.match((await psql('reader')).stderr, /was revoked: too much/);
    assert.equal((await requestsOf('reader')).length, 1);
  });

  it('is refused with the reason of the policy where that says no, and leaves no request', async () => {
    const { stderr } = await psql('outsider');
    assert.match(
      stderr,
      /no grant gives outsider the resource ledger-db: .*never would need a ticket like CHG-\*/,
    );
    assert.deepEqual(await requestsOf('outsider'), []);
    assert.match((await psql('plain')).stderr, /no grant gives plain a resource named "ledger-db"/);
  });

  it('is held while people have to agree, and let in when they have', async () => {
    const clients = await Promise.all(
      [1, 2, 3, 4].map(() => start('psql', ['-XAtqc', COUNT], { env: env('writer') })),
    );
    const { id } = await waiting('writer');
    await sleep(300);
    assert.ok(clients.every(({ child }) => child.exitCode === null));
    await bank.postern.call('POST', `/v1/requests/${id}/approve`, {}, approver);
    for (const client of clients) assert.equal((await client.exited).code, 0);
    assert.equal((await requestsOf('writer')).length, 1);
  });

  it('is told who has to agree when the time is over, in an error that names the request', async () => {
    const short = await Bank.start({ args: ['--workers', '2'] });
    try {
      await short.principal('writer');
      const credential = await short.credential('writer');
      await short.postern.call('POST', '/v1/policies/main', { text: POLICY, reason: 'begin' });
      const args = ['-X', '-v', 'VERBOSITY=verbose', '-c', COUNT];
      const { stderr } = await run('psql', args, { env: short.env(credential) });
      const path = '/v1/requests?principal=writer';
      const { items } = await short.postern.call<{ items: Request[] }>('GET', path);
      assert.equal(items.length, 1);
      assert.match(
        stderr,
        new RegExp(
          `FATAL: +postern: the request ${items[0]?.id} of writer for ledger-db waits for 1 of role:approver`,
        ),
      );
      assert.match(stderr, /HINT: +Connect again when it is granted/);
      const client = short.connect(credential);
      await assert.rejects(client, { code: '28000', routine: 'POSTERN_REQUEST_PENDING' });
    } finally {
      await short.stop();
    }
  });

  it('is held no longer than it stays: who goes away makes room, and nothing opens for them', async () => {
    const name = 'leaver';
    const credential = who.get(name) as Credential;
    const clients = await Promise.all(
      Array.from({ length: 32 }, () => start('psql', ['-XAtqc', COUNT], { env: bank.env(credential) })),
    );
    const { id } = await waiting(name);
    await sleep(500);
    for (const client of clients) client.child.kill('SIGKILL');
    await Promise.all(clients.map(({ exited }) => exited));
    const next = await start('psql', ['-XAtqc', COUNT], { env: bank.env(credential) });
    await sleep(500);
    assert.equal(next.child.exitCode, null, 'there is room for who stays');
    await bank.postern.call('POST', `/v1/requests/${id}/approve`, {}, approver);
    assert.equal((await next.exited).code, 0, next.stderr);
    const { items } = await bank.postern.call<{ items: object[] }>('GET', '/v1/activity?principal=leaver');
    assert.equal(items.length, 1, 'one command, of the one who stayed');
  });

  it('stays out when the credential is revoked while the client is held, whoever agrees then', async () => {
    const client = await start('psql', ['-XAtqc', COUNT], { env: env('gone') });
    const { id } = await waiting('gone');
    const { credential } = who.get('gone') as Credential;
    await bank.postern.call('POST', `/v1/credentials/${credential}/revoke`, { reason: 'lost' });
    await bank.postern.call('POST', `/v1/requests/${id}/approve`, {}, approver);
    assert.notEqual((await client.exited).code, 0);
    assert.match(client.stderr, /was revoked/);
    const { items } = await bank.postern.call<{ items: object[] }>('GET', '/v1/sessions');
    assert.deepEqual(items, []);
  });
});
