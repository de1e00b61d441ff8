import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { itemsOf } from '../src/api/api.fixture.ts';
import { scene } from './support/declared.ts';

const HEAD = 'name,kind,owner,backupOwner,purpose,environment';
const PEOPLE = 'grace@bank.example,ada@bank.example';

test('rows are imported, a second time changes nothing, and what is exported can be imported again', async (context) => {
  const s = await scene(context, false);
  s.put(
    'in.csv',
    `${HEAD},tags,sponsor\r\nbatch,service_account,${PEOPLE},"Posts, the ""day""",production,team=ledger; note=a\\;b,\r\n` +
      `vendor,agent,${PEOPLE},=HYPERLINK(1),test,,'-Acme\r\n`,
  );
  const dry = await s.call('principal', 'import', 'in.csv', '--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /\+ Principal batch {2}in\.csv:2\n/);
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/principals')), []);
  assert.equal((await s.call('principal', 'import', 'in.csv', '--reason', 'CHG-1')).code, 0);
  const shown = async (name: string) => (await s.api.call('GET', `/v1/principals/${name}`)).body;
  const batch = await shown('batch');
  assert.equal(String(batch.purpose), 'Posts, the "day"');
  assert.deepEqual(batch.tags, { note: 'a;b', team: 'ledger' });
  assert.equal(String((await shown('vendor')).sponsor), '-Acme', 'the guard of a formula is no part of it');

  const written = s.api.sink.written.length;
  assert.match((await s.call('principal', 'import', 'in.csv')).stderr, /0 to make, 0 to change/);
  for (const format of ['csv', 'json']) {
    const out = await s.call('principal', 'export', '--format', format);
    assert.equal(out.code, 0, out.stderr);
    s.put(`out.${format}`, out.stdout);
    const again = await s.call('principal', 'import', `out.${format}`, '--json');
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(JSON.parse(again.stdout), { done: [], left: [] });
  }
  assert.equal(s.api.sink.written.length, written);
  const csv = readFileSync(join(s.dir, 'out.csv'), 'utf8');
  assert.match(csv, /,'=HYPERLINK\(1\),/);
  assert.ok(!/(^|[,\n])"?[=+@-]/.test(csv), csv);

  s.put(
    'change.csv',
    'name,owner,backupOwner,expiresAt\nbatch,ada@bank.example,grace@bank.example,2099-01-01T00:00:00Z\n',
  );
  assert.match((await s.call('principal', 'import', 'change.csv')).stderr, /0 to make, 1 to change/);
  const moved = await shown('batch');
  assert.deepEqual([String(moved.owner?.name), String(moved.purpose)], ['Ada', 'Posts, the "day"']);
  await s.api.call('POST', '/v1/principals/vendor/retire', { reason: 'gone' });
  const left = await s.call('principal', 'export');
  assert.ok(!left.stdout.includes('vendor'));
  assert.match((await s.call('principal', 'export', '--status', 'retired')).stdout, /\nvendor,/);
});

test('one wrong row keeps all rows out, and each wrong row is told with its line', async (context) => {
  const s = await scene(context, false);
  const rows = [
    `good,agent,${PEOPLE},x,test`,
    `bad-kind,robot,${PEOPLE},x,test`,
    `nobody,agent,nobody@bank.example,ada@bank.example,x,test`,
    `good,agent,${PEOPLE},x,test`,
    `alone,agent,ada@bank.example,ada@bank.example,x,test`,
    'short,,,,,',
    `UPPER,agent,${PEOPLE},x,test`,
  ];
  s.put('in.csv', `${HEAD}\n${rows.join('\n')}\n`);
  const refused = await s.call('principal', 'import', 'in.csv');
  assert.equal(refused.code, 1);
  for (const line of [/in\.csv:3: kind /, /in\.csv:4: .*no person/, /in\.csv:5: good is in line 2 already/]) {
    assert.match(refused.stderr, line);
  }
  for (const line of [
    /in\.csv:6: .*someone else than the owner/,
    /in\.csv:7: /,
    /in\.csv:8: .*"UPPER" cannot be/,
  ]) {
    assert.match(refused.stderr, line);
  }
  assert.deepEqual(itemsOf(await s.api.call('GET', '/v1/principals')), []);
  for (const [text, expected] of [
    ['name,colour\nx,red\n', /the column "colour" is not known/],
    ['owner\nx\n', /"name" among them/],
    ['name,name\nx,y\n', /each column once/],
    ['name,owner\nx\n', /line 2 has 1 cells, and the first line 2/],
    ['name\n"x', /does not end/],
    ['', /"name" among them/],
    ['{"name":"x"}', /not a JSON list/],
    ['[{"name":"aa","__proto__":{"kind":"agent"}}]', /in\.csv:1: /],
    ['[{"name":1}]', /in\.csv:1: name must be string/],
    ['name\n\uD800\u0000', /in\.csv:2: .*must have required properties kind/],
  ] as const) {
    s.put('in.csv', text);
    const done = await s.call('principal', 'import', 'in.csv');
    assert.notEqual(done.code, 0, text);
    assert.match(done.stderr, expected);
    assert.ok(!done.stderr.includes('CLI_INTERNAL'), done.stderr);
  }
});

test('a long import that breaks off goes on where it was', async (context) => {
  const s = await scene(context, false);
  const names = Array.from({ length: 450 }, (_, n) => `p-${n}`);
  s.put('in.csv', `${HEAD}\n${names.map((name) => `${name},agent,${PEOPLE},x,test`).join('\n')}\n`);
  const create = s.api.control.principals.create.bind(s.api.control.principals);
  let calls = 0;
  context.mock.method(s.api.control.principals, 'create', async (...args: Parameters<typeof create>) => {
    calls += 1;
    s.api.sink.failing = calls === 300;
    return create(...args).finally(() => {
      s.api.sink.failing = false;
    });
  });
  const broken = await s.call('principal', 'import', 'in.csv');
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /in\.csv:301: .*\(299 rows were done, 151 were not\)/);
  const rest = await s.call('principal', 'import', 'in.csv');
  assert.match(rest.stderr, /151 to make, 0 to change/);
  assert.equal((await s.api.control.principals.list({})).length, 450);
});
