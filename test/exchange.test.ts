/** The exchange from end to end: what a platform's token gives opens sessions on every worker, and what ends it ends them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { newClientKey } from '../src/cli/support/client-key.ts';
import { Bank } from './support/bank.ts';
import { makeServerCertificate } from './support/certificates.ts';
import { exchange, TYPES } from './support/exchange.ts';
import { Issuer } from './support/issuer.ts';
import { until } from './support/processes.ts';

/** So many that each of the workers has some. */
const SESSIONS = 8;

describe('the exchange', () => {
  let directory: string;
  let issuer: Issuer;
  let bank: Bank;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'postern-exchange-'));
    const tls = await makeServerCertificate();
    const caFile = join(directory, 'issuer-ca.crt');
    writeFileSync(caFile, tls.caPem);
    issuer = await new Issuer(tls).listen();
    bank = await Bank.start({
      args: ['--workers', '2'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile },
    });
    for (const name of ['batch', 'agent', 'tool', 'brief']) {
      await bank.identity(name, 'select on ledger.*');
    }
  });
  after(async () => {
    await bank?.stop();
    issuer.close();
    rmSync(directory, { recursive: true, force: true });
  });

  let run = 0;
  const token = (sub: string): string => issuer.token({ sub, jti: `run-${run++}` });
  const bind = (principal: string): Promise<{ id: string }> =>
    bank.postern.call('POST', `/v1/principals/${principal}/bindings`, {
      ...{ issuer: issuer.url, audience: 'postern', claims: { sub: principal } },
    });
  const end = (path: string): Promise<unknown> => bank.postern.call('POST', path, { reason: 'test' });
  const who = (username: string, password: string) => ({ username, password, grant: '', credential: '' });

  type Session = pg.Client & { readonly lost: Error[] };
  const open = async (login: () => Promise<Session>): Promise<Session[]> => {
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, login));
    for (const session of sessions) await session.query('select 1');
    return sessions;
  };
  /** Within the second that the invariant gives. */
  const allClose = async (sessions: readonly Session[], why: string): Promise<void> => {
    const began = Date.now();
    await until(() => sessions.every(({ lost }) => lost.length > 0), `sessions closed: ${why}`, 5000);
    assert.ok(Date.now() - began < 1000, `${why}: ${Date.now() - began} ms`);
  };
  const byPassword = async () => {
    const { access_token, credential } = await exchange(bank.postern, { subject_token: token('batch') });
    return { credential, login: () => bank.connect(who('batch', access_token)) };
  };
  const byCertificate = async () => {
    const { keyPem, csrPem } = await newClientKey();
    const { access_token, credential } = await exchange(bank.postern, {
      ...{ subject_token: token('batch'), requested_token_type: TYPES.certificate, csr: csrPem },
    });
    const ssl = { ca: bank.postern.caPem, cert: access_token, key: keyPem };
    return { credential, login: () => bank.connect(who('batch', ''), { ssl }) };
  };

  it('closes live sessions on every worker within a second of the end of the credential, binding or principal', async () => {
    const binding = await bind('batch');
    const password = await byPassword();
    const certificate = await byCertificate();
    const other = await byPassword();
    const [first, second, kept] = [
      await open(password.login),
      await open(certificate.login),
      await open(other.login),
    ];
    await end(`/v1/credentials/${password.credential}/revoke`);
    await allClose(first, 'password revoked');
    assert.ok(
      [...second, ...kept].every(({ lost }) => lost.length === 0),
      'others stay',
    );
    await end(`/v1/credentials/${certificate.credential}/revoke`);
    await allClose(second, 'certificate revoked');

    const again = await byCertificate();
    const sessions = [
      ...(await open(again.login)),
      ...(await open(() => bank.connect(who('batch', token('batch'))))),
      ...kept,
    ];
    await end(`/v1/bindings/${binding.id}/remove`);
    await allClose(sessions, 'binding removed');
    await assert.rejects(other.login());
    await assert.rejects(exchange(bank.postern, { subject_token: token('batch') }), /invalid_grant/);

    await bind('batch');
    const last = [
      ...(await open((await byPassword()).login)),
      ...(await open((await byCertificate()).login)),
      ...(await open(() => bank.connect(who('batch', token('batch'))))),
    ];
    await end('/v1/principals/batch/suspend');
    await allClose(last, 'principal suspended');
  });

  it('closes a session whose credential is over when its binding goes, or who is behind it', async () => {
    const soon = () => ({ exp: Math.floor(Date.now() / 1000) + 3 });
    const short = async (parameters: Record<string, string>) => {
      const { access_token } = await exchange(bank.postern, parameters);
      return bank.connect(who('brief', access_token));
    };
    const binding = await bind('brief');
    const word = await bank.postern.call<{ token: string; delegation: { id: string } }>(
      'POST',
      '/v1/delegations',
      { actor: 'brief', ttlSeconds: 3 },
    );
    const job = () => issuer.token({ sub: 'brief', jti: `run-${run++}`, ...soon() });
    const own = await short({ subject_token: job() });
    const behalf = await short({
      subject_token: word.token,
      actor_token: job(),
      actor_token_type: TYPES.jwt,
    });
    await sleep(3200);
    for (const session of [own, behalf]) await session.query('select 1');
    await end(`/v1/delegations/${word.delegation.id}/revoke`);
    await allClose([behalf], 'delegation revoked after its end');
    await own.query('select 1');
    await end(`/v1/bindings/${binding.id}/remove`);
    await allClose([own], 'binding removed after the end of the credential');
  });

  it('opens one resource alone where one is named', async () => {
    await bind('agent');
    await bank.resource('other-db');
    await bank.grant('agent', 'select on ledger.*', { resource: 'other-db' });
    const { access_token } = await exchange(bank.postern, {
      ...{ subject_token: token('agent'), audience: 'ledger-db' },
    });
    await (await bank.connect(who('agent', access_token))).end();
    await assert.rejects(bank.connect(who('agent', access_token), { database: 'other-db' }), /no grant/);
  });

  it('keeps a chain of a person, an agent and a tool in every record, until one of them takes the word back', async () => {
    await bind('tool');
    interface Given {
      readonly token: string;
      readonly delegation: { readonly id: string };
    }
    const person = await bank.postern.call<{ person: { id: string } }>('GET', '/v1/whoami');
    const toAgent = await bank.postern.call<Given>('POST', '/v1/delegations', { actor: 'agent' });
    const agent = await exchange(bank.postern, {
      ...{ subject_token: toAgent.token, actor_token: token('agent'), actor_token_type: TYPES.jwt },
      requested_token_type: TYPES.bearer,
    });
    const toTool = await bank.postern.call<Given>(
      'POST',
      '/v1/delegations',
      { actor: 'tool' },
      agent.access_token,
    );
    const tool = await exchange(bank.postern, {
      ...{ subject_token: toTool.token, actor_token: token('tool'), actor_token_type: TYPES.jwt },
    });
    const session = await bank.connect(who('tool', tool.access_token));
    await session.query('select * from ledger.accounts limit 1');
    await assert.rejects(session.query('delete from ledger.accounts'));
    const { items } = await bank.postern.call<{ items: { id: string; delegation: { name: string }[] }[] }>(
      'GET',
      '/v1/activity?principal=tool&type=all&limit=100',
    );
    const records = await Promise.all(
      items.map(({ id }) => bank.postern.call<{ record: object }>('GET', `/v1/activity/${id}`)),
    );
    const chain = JSON.stringify([
      { kind: 'person', id: person.person.id, name: 'Test Administrator', delegation: toAgent.delegation.id },
    ]).slice(0, -1);
    for (const type of ['session.opened', 'command.intent', 'command.denied']) {
      const found = records.filter((record) => JSON.stringify(record).includes(`"type":"${type}"`));
      assert.ok(found.length > 0, type);
      for (const record of found) {
        const text = JSON.stringify(record);
        assert.ok(text.includes(chain) && text.includes(toTool.delegation.id), `${type}: ${text}`);
      }
    }
    const commands = items.filter(({ delegation }) => delegation.length > 0);
    assert.deepEqual(
      commands[0]?.delegation.map(({ name }) => name),
      ['Test Administrator', 'agent'],
    );

    await end(`/v1/delegations/${toAgent.delegation.id}/revoke`);
    await allClose([session], 'the origin took the word back');
    await assert.rejects(bank.connect(who('tool', tool.access_token)));
    await assert.rejects(bank.postern.call('GET', '/v1/self', undefined, agent.access_token), /was revoked/);
  });

  it('lets nobody act who was not named, and nobody act alone with the word of another', async () => {
    const { token: word } = await bank.postern.call<{ token: string }>('POST', '/v1/delegations', {
      actor: 'agent',
    });
    const by = (name: string) => ({ actor_token: token(name), actor_token_type: TYPES.jwt });
    await assert.rejects(
      exchange(bank.postern, { subject_token: word, ...by('tool') }),
      /unauthorized_client/,
    );
    await assert.rejects(exchange(bank.postern, { subject_token: word }), /invalid_grant/);
    // A platform's token is nobody's word, whoever it is of.
    await assert.rejects(
      exchange(bank.postern, { subject_token: token('tool'), ...by('agent') }),
      /invalid_grant/,
    );
    await assert.rejects(bank.postern.call('GET', '/v1/self', undefined, word), /401/);
  });
});
