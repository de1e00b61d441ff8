import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import { FILES } from './format.ts';
import { formatReport } from './format-report.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

const FINGERPRINT = 'ab'.repeat(32);

describe('the report says in plain words', () => {
  const bank = new Bank();
  let full = '';
  let single = '';
  let report = '';

  before(async () => {
    await bank.open();
    const { story } = bank;
    const { batch, other, grant } = tellNights(story);
    const change = (entity: string, id: string, over: object): object => ({
      change: { entity, id, before: null, after: { ...story.last(entity, id), ...over } },
    });
    const conditions = { maxRows: 12_000, noDdl: true, statementTimeoutMs: 90_000, sources: ['10.0.0.0/8'] };
    story.tell('grant.activated', story.admin, batch, change('grant', grant, { conditions }));
    const odd = story.grant(other, 'CHG-9');
    story.tell('grant.activated', story.admin, other, change('grant', odd, { conditions: { hours: 7 } }));
    const certificate = story.credential(batch, grant);
    const shown = { kind: 'certificate', certificateSha256: FINGERPRINT };
    story.tell('credential.issued', story.admin, batch, change('credential', certificate, shown));
    const binding = uuidv7();
    const bound = { id: binding, principal: batch, kind: 'oidc', issuer: 'https://issuer.example' };
    const says = { audience: 'postern', claims: { sub: 'repo:bank/<b>' }, status: 'active' };
    story.tell('binding.created', story.admin, batch, {
      change: { entity: 'binding', id: binding, before: null, after: { ...bound, ...says } },
    });
    const secret = {
      ...{ id: uuidv7(), principal: batch, kind: 'secret', status: 'active', reason: 'an <old> box' },
      ...{
        requestedBy: story.admin,
        approver: story.admin,
        approvedAt: null,
        expiresAt: '2027-01-01T00:00:00Z',
      },
    };
    story.tell('binding.created', story.admin, batch, {
      change: { entity: 'binding', id: secret.id, before: null, after: secret },
    });
    const wide = {
      ...{ id: uuidv7(), principal: batch, kind: 'oidc', audience: 'postern', status: 'active' },
      issuer: 'https://token.actions.githubusercontent.com',
      // Written by somebody who does not keep to the form.
      claims: { repository: 'bank/<i>', ref: 7 },
      contains: 'nothing',
    };
    story.tell('binding.created', story.admin, batch, {
      change: { entity: 'binding', id: wide.id, before: null, after: wide },
    });
    story.open(batch, grant, certificate);
    const proof = { issuer: 'https://issuer.example', subject: 'repo:<x>', jti: null, sha256: FINGERPRINT };
    story.open(batch, grant, binding, { proof: { ...proof, claims: { run_id: '4711' } } });
    const lost = [
      { file: 'worker-3.journal', offset: 4096, skip: 0, what: 'missing' },
      { file: 'worker-4.journal', offset: 77, skip: 0, what: 'shorter' },
    ];
    const system = { kind: 'system', id: 'postern', name: 'postern' } as const;
    story.tell('ledger.recovered', system, null, { lost });
    story.tell('ledger.recovered', system, null, { size: 4, journals: ['another-principals.journal'] });
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: 'nightly-ledger-batch' });
    report = readFileSync(join(full, FILES.report), 'utf8');
  });
  after(() => bank.close());

  test('what a grant is for only', () => {
    assert.match(report, /only results of at most 12,000 rows/);
    assert.match(report, /only statements that create, alter and drop nothing/);
    assert.match(report, /only statements of at most 1 min 30 s/);
    assert.match(report, /only from 10\.0\.0\.0\/8/);
  });

  test('conditions that have no form of conditions as they stand', () => {
    assert.match(report, /only \{&quot;hours&quot;:7\}/);
  });

  test('how principals proved who they are, and as whom they were in the database', () => {
    assert.match(report, new RegExp(`<code>${FINGERPRINT}</code>`));
    assert.match(
      report,
      /<td>oidc<\/td><td><code>issuer=https:\/\/issuer\.example audience=postern sub=repo:bank\/&lt;b&gt;/,
    );
    assert.match(report, /by token of an issuer: repo:&lt;x&gt;, run 4711/);
    assert.match(
      report,
      /<h2>Exceptions<\/h2>[\s\S]*static secret[\s\S]*an &lt;old&gt; box[\s\S]*2027-01-01/,
    );
    for (const how of ['by password', 'by certificate', 'by token of an issuer'])
      assert.ok(report.includes(how));
    assert.match(report, /, the shared user/);
  });

  test('what is doubtful about how principals prove themselves, as the linter says it', () => {
    assert.match(report, /What is doubtful about those that hold/);
    for (const code of ['missing-id', 'missing-tenant', 'name-bound', 'any-branch'])
      assert.match(report, new RegExp(`${code}</td>`));
    assert.ok(!report.includes('bank/<i>'));
  });

  test('what was lost, in each package, in its verification too, and nothing else of the gateway’s own records', async () => {
    for (const dir of [full, single]) {
      assert.match(
        readFileSync(join(dir, FILES.report), 'utf8'),
        /What was lost[\s\S]*worker-3\.journal was gone/,
      );
      const verified = await verifyPackage(dir, { vkey: bank.vkey });
      assert.deepEqual(verified.findings, []);
      assert.deepEqual(
        verified.losses.map(({ file, what }) => [file, what]),
        [
          ['worker-3.journal', 'missing'],
          ['worker-4.journal', 'shorter'],
        ],
      );
      assert.match(
        formatReport(verified),
        /^VERIFIED[\s\S]*\nLOST, by the log itself[\s\S]*ended before offset 77/,
      );
    }
    const leaves = readFileSync(join(single, 'activity', 'leaves.ndjson'), 'utf8');
    assert.ok(!leaves.includes('another-principals'));
  });
});
