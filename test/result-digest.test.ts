/** The digest of what a client was sent, where the resource asks for it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Bank, type Credential } from './support/bank.ts';
import { say, WireClient } from './support/wire-client.ts';

const TABLES = `create schema work; create table work.people (id int, email text);
  insert into work.people select n, 'p' || n || '@bank.example' from generate_series(1, 3000) n;
  grant usage on schema work to ledger_app; grant all on work.people to ledger_app`;

describe('a resource that asks for a digest of results', () => {
  let bank: Bank;
  let who: Credential;
  before(async () => {
    bank = await Bank.start({ args: ['--workers', '1'] });
    await bank.server.query(TABLES, 'bank');
    await bank.resource('digested', { resultDigest: true });
    await bank.principal('reader');
    const grant = await bank.grant('reader', 'select, insert, copy on work.*', { resource: 'digested' });
    who = await bank.credential('reader', grant);
  });
  after(() => bank?.stop());

  const open = (): Promise<WireClient> =>
    WireClient.login({ ...bank.postern.postgres, ca: bank.postern.caPem }, who, 'digested');

  /** Says it, and gives the digest of the rows that came beside what the record says of them. */
  const compare = async (client: WireClient, ...parts: readonly Buffer[]) => {
    client.heard.length = 0;
    await client.ask(parts);
    const hash = createHash('sha256');
    for (const { type, bytes } of client.heard) if (type === 'D' || type === 'd') hash.update(bytes);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const { items } = await bank.postern.call<{ items: { id: string }[] }>(
      'GET',
      '/v1/activity?principal=reader&limit=1',
    );
    const detail = await bank.postern.call<{ outcome: { digest?: string } | null }>(
      'GET',
      `/v1/activity/${items[0]?.id}`,
    );
    return { received: hash.digest('hex'), recorded: detail.outcome?.digest };
  };

  it('has it in the outcome: of rows, of COPY data, of rows in pieces and of masked ones, as they came', async () => {
    const client = await open();
    const all = 'select * from work.people order by id';
    const simple = await compare(client, say.query(all));
    assert.equal(simple.recorded, simple.received);
    const copied = await compare(client, say.query(`copy (${all}) to stdout`));
    assert.equal(copied.recorded, copied.received);
    assert.notEqual(copied.recorded, simple.recorded);
    const extended = await compare(client, say.parse('', all), say.bind('', ''), say.execute(''), say.sync());
    assert.equal(extended.recorded, simple.recorded);
    const large = await compare(client, say.query(`select repeat('x', 3000000) from work.people limit 3`));
    assert.equal(large.recorded, large.received);
    for (const kind of ['redact', 'hash']) {
      const { id } = await bank.postern.call<{ id: string }>('POST', '/v1/masks', {
        name: `mails-${kind}`,
        resource: 'digested',
        columns: ['work.people.email'],
        reason: 'shown masked',
        transform: { kind },
      });
      for (const sql of [all, `copy work.people to stdout`, `copy work.people to stdout binary`]) {
        const masked = await compare(client, say.query(sql));
        assert.equal(masked.recorded, masked.received, `${kind}: ${sql}`);
        assert.notEqual(masked.recorded, simple.recorded);
      }
      await bank.postern.call('POST', `/v1/masks/${id}/retire`, { reason: 'done' });
    }
    await client.end();
  });

  it('has none for what brings no rows, nor on other resources', async () => {
    const client = await open();
    assert.equal(
      (await compare(client, say.query("insert into work.people values (0, '')"))).recorded,
      undefined,
    );
    await client.end();
    const other = await bank.identity('elsewhere', 'select on work.*');
    const plain = await bank.connect(other);
    await plain.query('select * from work.people');
    await plain.end();
    const [command] = await bank.commands('elsewhere');
    const detail = await bank.postern.call<{ outcome: object }>('GET', `/v1/activity/${command?.id}`);
    assert.ok(!('digest' in detail.outcome));
  });
});
