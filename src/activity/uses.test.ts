import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Ref } from '../core/record.ts';
import { ActivityIndex } from './activity-index.ts';
import { networkOf } from './networks.ts';
import { ActivityQuery } from './query.ts';
import { leavesOf, Story } from './story.fixture.ts';

function indexed(context: TestContext, story: Story, batch = 1000): ActivityQuery {
  const dir = mkdtempSync(join(tmpdir(), 'postern-uses-'));
  const index = ActivityIndex.open(join(dir, 'index.db'));
  const leaves = leavesOf(story.told);
  for (let at = 0; at < leaves.length; at += batch) index.consume(leaves.slice(at, at + batch));
  const query = ActivityQuery.open(join(dir, 'index.db'));
  context.after(() => {
    query.close();
    index.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return query;
}

const last = (query: ActivityQuery, principal: Ref) => query.lastUses([principal.id]).get(principal.id);

test('a principal was last used when it opened a session or asked for something, not when others changed it', (context) => {
  const story = new Story().people().resource();
  const [used, idle, denied, given] = ['used', 'idle', 'denied', 'given'].map((name) =>
    story.principal(name),
  );
  assert.ok(used && idle && denied && given);
  const grant = story.grant(used);
  const session = story.open(used, grant, story.credential(used, grant));
  story.run(used, session, grant, 'select', 'a.b', 'select 1');
  story.run(used, session, grant, 'select', 'a.b', 'select 1');
  const intents = story.told.filter(({ record }) => record.type === 'command.intent');
  const at = intents.at(-1)?.record.time;
  const other = story.open(denied, grant, 'c');
  story.deny(denied, other, 'select', 'x.y', 'select 2');
  const refusedAt = story.time;
  story.wait(3_600_000_000);
  story.credential(used, grant);
  story.handOver(used, story.ana);
  story.credential(given, grant);
  story.tell('session.refused', { kind: 'principal', ...idle }, idle, {
    ...{ session: 's', protocol: 'postgres', source: '192.0.2.1:5000', code: 'X', reason: 'wrong password' },
  });
  for (const batch of [1000, 3, 1]) {
    const query = indexed(context, story, batch);
    assert.equal(last(query, used), at, `batches of ${batch}`);
    assert.equal(last(query, denied), refusedAt);
    assert.equal(last(query, idle), undefined, 'somebody who fails to be it does not use it');
    assert.equal(last(query, given), undefined, 'a credential that a person issued is no use');
    assert.deepEqual(query.sources(idle.id), []);
    assert.equal(query.lastUses([used.id, idle.id, denied.id, 'nobody']).size, 2);
  }
});

test('a credential that a principal got by itself is a use', (context) => {
  const story = new Story().people().resource();
  const principal = story.principal('runner');
  const after = { id: 'c', principal, grant: null, kind: 'password', status: 'active' };
  story.tell('credential.issued', { kind: 'principal', ...principal }, principal, {
    change: { entity: 'credential', id: 'c', before: null, after },
  });
  assert.equal(last(indexed(context, story), principal), story.time);
});

test('networks are told with first, last and how often, the last seen first, and no more than 64 of them', (context) => {
  const story = new Story().people().resource();
  const principal = story.principal('roamer');
  const from = (source: string): void => {
    story.tell('session.opened', { kind: 'principal', ...principal }, principal, {
      ...{ session: `s${story.told.length}`, resource: story.database, protocol: 'postgres', source },
    });
  };
  from('192.0.2.7:5000');
  const first = story.time;
  from('192.0.2.99:6000');
  const second = story.time;
  from('2001:db8:5:6::1:7000');
  for (let n = 0; n < 70; n++) from(`10.0.${n}.1:80`);
  from('192.0.2.1:1');
  for (const batch of [1000, 5]) {
    const sources = indexed(context, story, batch).sources(principal.id);
    assert.equal(sources.length, 64);
    assert.equal(sources[0]?.network, '192.0.2.0/24');
    assert.equal(sources[0]?.last, story.time);
    assert.equal(sources[1]?.network, '10.0.69.0/24');
    assert.ok(!sources.some(({ network }) => network === '2001:db8:5::/48'));
  }
  const early = new Story().people().resource();
  assert.ok(early);
  const before = indexed(context, Object.assign(story, { told: story.told.slice(0, 7) })).sources(
    principal.id,
  );
  assert.deepEqual(before, [
    { network: '2001:db8:5::/48', first: before[0]?.first, last: before[0]?.first, sessions: 1 },
    { network: '192.0.2.0/24', first, last: second, sessions: 2 },
  ]);
});

test('the network of an address is its /24 or /48, however it is written', () => {
  for (const [source, network] of [
    ['192.0.2.7:5432', '192.0.2.0/24'],
    ['::ffff:192.0.2.7:5432', '192.0.2.0/24'],
    ['::FFFF:192.0.2.7:5432', '192.0.2.0/24'],
    ['::1:5432', '::/48'],
    ['2001:db8:5:6::1:5432', '2001:db8:5::/48'],
    ['2001:0DB8:0005:6:7:8:9:a:5432', '2001:db8:5::/48'],
    ['[2001:db8::1]:5432', '2001:db8::/48'],
    ['2001:db8:0:1::5432', '2001:db8::/48'],
    ['fe80::1%eth0:5432', 'fe80::/48'],
    ['64:ff9b::192.0.2.7:5432', '64:ff9b::/48'],
    ['localhost:5432', null],
    ['', null],
    [':', null],
  ] as const) {
    assert.equal(networkOf(source), network, source);
  }
  const any = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
  fc.assert(
    fc.property(any, fc.nat(65_535), (host, port) => {
      const network = networkOf(`${host}:${port}`);
      assert.ok(
        network === null || /^(\d+\.\d+\.\d+\.0\/24|[0-9a-f:]+::\/48|::\/48)$/.test(network),
        `${network}`,
      );
    }),
  );
});

test('the history of a principal is its own changes and the notices about it, page by page', (context) => {
  const story = new Story().people().resource();
  const principal = story.principal('batch');
  const other = story.principal('other');
  story.credential(principal, story.grant(principal));
  story.handOver(principal, story.ana);
  story.handOver(other, story.ana);
  story.tell('notice.given', story.admin, principal, {
    change: { entity: 'notice', id: 'n', before: null, after: { id: 'n', text: 'x' } },
  });
  const types = story.told.flatMap(({ record }, leaf) =>
    record.principal?.id === principal.id && /^(principal|notice)/.test(record.type) ? [leaf] : [],
  );
  const query = indexed(context, story);
  assert.equal(types.length, 3);
  assert.deepEqual(query.history(principal.id, -1, 100), types);
  assert.deepEqual(query.history(principal.id, -1, 2), types.slice(0, 2));
  assert.deepEqual(query.history(principal.id, types[1] ?? 0, 2), types.slice(2));
});

test('a refusal that stands for several says how many more there were', (context) => {
  const story = new Story().people().resource();
  const principal = story.principal('runner');
  const actor = { kind: 'principal', ...principal } as const;
  const at = { source: '192.0.2.1:5000', code: 'X' };
  const refused = { ...at, session: 's', protocol: 'postgres', reason: 'wrong password' };
  story.tell('session.refused', actor, principal, { ...refused, repeated: 4990 });
  story.tell('session.refused', actor, principal, refused);
  const since = '2026-01-01T00:00:00.000000Z';
  story.tell('credential.refused', actor, principal, { ...at, reason: 'no proof', count: 42, since });
  story.tell('person.login_refused', { kind: 'system', id: 'postern', name: 'postern' }, null, {
    refused: { method: 'oidc', reason: 'unknown', source: '192.0.2.1', count: 2, since },
  });
  const { items } = indexed(context, story).query({ type: 'all' });
  const reasons = items.filter(({ decision }) => decision === 'deny').map(({ reason }) => reason);
  assert.deepEqual(reasons.sort(), [
    'no proof (and 41 more like it)',
    'unknown (and 1 more like it)',
    'wrong password',
    'wrong password (and 4,989 more like it)',
  ]);
});
