import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RESOURCE } from '../access/control.fixture.ts';
import { verifyPackage } from '../evidence/verify.ts';
import { unzipInto } from '../evidence/zip.ts';
import { itemsOf, testApi } from './api.fixture.ts';
import { real } from './real.fixture.ts';

test('who answered for a principal while it worked cannot review that, and a later owner can review what was before', async (context) => {
  const api = await real(context);
  const people = new Map<string, string>();
  for (const name of ['Olaf', 'Rita']) {
    const email = `${name.toLowerCase()}@example.org`;
    await api.call('POST', '/v1/persons', { name, email, roles: ['owner', 'reviewer'] });
    const made = await api.call('POST', `/v1/persons/${email}/tokens`, { ttlSeconds: 600 });
    people.set(name, String(made.body.token));
  }
  const principal = {
    ...{ name: 'batch', kind: 'ci_runner', owner: 'olaf@example.org', backupOwner: 'bea@example.org' },
    ...{ purpose: 'Posts the day', environment: 'production' },
  };
  await api.call('POST', '/v1/principals', principal);
  await api.call('POST', '/v1/resources', RESOURCE);
  const given = await api.call('POST', '/v1/grants', {
    ...{ principal: 'batch', resource: RESOURCE.name, scope: 'truncate on ledger.staging' },
    ...{ ttlSeconds: 3600, ticket: 'CHG-1', justification: 'nightly' },
  });
  assert.equal(given.status, 201, given.text);
  const before = itemsOf(await api.call('GET', '/v1/activity?type=all&order=desc&limit=1'))[0]?.leaf;
  const handed = { owner: 'rita@example.org', backupOwner: 'bea@example.org', reason: 'moved' };
  const changed = await api.call('POST', '/v1/principals/batch/update', handed);
  assert.equal(changed.status, 200, changed.text);

  const range = { principals: ['batch'], from: 0, to: Number(before), finding: 'nothing unusual' };
  const review = (who: string | undefined, body: object) =>
    api.call('POST', '/v1/log-reviews', body, who === undefined ? api.token : people.get(who));
  // Olaf is rid of it, and not of what it did while it was his.
  const his = await review('Olaf', range);
  assert.equal(his.status, 403);
  assert.match(his.text, /Olaf answered for batch in that time/);
  assert.equal((await review('Rita', range)).status, 403);
  const ours = await review(undefined, { ...range, ticket: 'INC-2' });
  assert.equal(ours.status, 201, ours.text);
  const tooFar = await review(undefined, { ...range, to: 1_000_000 });
  assert.match(tooFar.text, /POSTERN_INVALID.*cannot have been reviewed/);
  const all = await review(undefined, { from: 0, finding: 'nothing unusual' });
  assert.equal((all.body.reviews as unknown as { privileged: boolean }[])[0]?.privileged, true);

  const listed = await api.call('GET', '/v1/log-reviews?principal=batch');
  assert.deepEqual(
    itemsOf(listed).map(({ ticket }) => ticket),
    ['INC-2', null],
  );
  // An owner sees what was said of what is theirs.
  assert.equal(itemsOf(await api.call('GET', '/v1/log-reviews', undefined, people.get('Rita'))).length, 2);

  for (const params of [{}, { principal: 'batch' }]) {
    const exported = await api.call('POST', '/v1/evidence', params);
    assert.equal(exported.status, 200, exported.text);
  }
});

test('where the index has not come so far as the log, nobody is taken for independent', async (context) => {
  const api = await testApi(context); // a log of seven leaves, and an empty index
  const refused = await api.call('POST', '/v1/log-reviews', { from: 0, finding: 'nothing unusual' });
  assert.match(refused.text, /POSTERN_AUDIT_UNAVAILABLE.*index is behind the log/);
  assert.equal(itemsOf(await api.call('GET', '/v1/log-reviews')).length, 0);
});

test('a package has the reviews of the log, of one principal only its own, and both verify', async (context) => {
  const api = await real(context);
  for (const name of ['batch', 'other']) {
    await api.call('POST', '/v1/principals', {
      ...{ name, kind: 'ci_runner', owner: 'bea@example.org', backupOwner: 'ada@example.org' },
      ...{ purpose: 'Posts the day', environment: 'production' },
    });
  }
  await api.call('POST', '/v1/persons', { name: 'Rita', email: 'r@example.org', roles: ['reviewer'] });
  const token = String((await api.call('POST', '/v1/persons/r@example.org/tokens', {})).body.token);
  const body = { principals: ['batch', 'other'], from: 0, finding: '=nothing <b>unusual</b>' };
  const made = await api.call('POST', '/v1/log-reviews', body, token);
  assert.equal(made.status, 201, made.text);
  await api.deps.ledger.flush();
  for (const [principal, expected] of [
    [undefined, 2],
    ['batch', 1],
  ] as const) {
    const dir = join(api.dataDir, `package-${expected}`);
    const answer = await api.call('POST', '/v1/evidence', principal === undefined ? {} : { principal });
    writeFileSync(`${dir}.zip`, answer.bytes);
    await unzipInto(`${dir}.zip`, dir);
    const rows = readFileSync(join(dir, 'populations/log_reviews.ndjson'), 'utf8').trim().split('\n');
    assert.equal(rows.length, expected);
    assert.equal((JSON.parse(rows[0] ?? '') as { finding: string }).finding, '=nothing <b>unusual</b>');
    const report = readFileSync(join(dir, 'report.html'), 'utf8');
    assert.match(report, /Who looked at it[\s\S]*=nothing &lt;b&gt;unusual/);
    assert.equal((await verifyPackage(dir, {})).ok, true);
  }
});
