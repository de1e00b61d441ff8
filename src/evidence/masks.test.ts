import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

describe('mask rules in a package', () => {
  const bank = new Bank();
  let full = '';
  let single = '';

  const mask = (name: string, over: { readonly principal?: Ref; readonly resource?: Ref } = {}): string => {
    const { story } = bank;
    const id = uuidv7();
    const { principal = null, resource = null } = over;
    const after = {
      ...{ id, name, revision: 1, resource, principal, grant: null, probes: 'deny', status: 'active' },
      match: { columns: ['hr.salaries.amount'], names: [], detectors: ['iban'] },
      transform: { kind: 'redact' },
      ...{ statusReason: null, createdAt: story.time },
    };
    const change = { entity: 'mask', id, before: null, after };
    story.tell('mask.created', story.admin, principal, { change });
    return id;
  };

  before(async () => {
    await bank.open();
    const { story } = bank;
    const { batch, other } = tellNights(story);
    mask('for-all');
    mask('for-batch', { principal: batch });
    mask('for-other', { principal: other });
    mask('on-the-ledger', { resource: story.database });
    mask('elsewhere', { resource: { id: uuidv7(), name: 'payroll-db' } });
    const id = mask('weakened', { principal: batch });
    const before = story.last('mask', id);
    const milder = { ...before, revision: 2, transform: { kind: 'partial', keep: 4 } };
    story.tell('mask.updated', story.admin, batch, {
      change: { entity: 'mask', id, before, after: milder },
      reason: 'support needs the end',
    });
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: 'nightly-ledger-batch' });
  });
  after(() => bank.close());

  const rows = (dir: string): { name: string; revision: number; leaf: number; lastLeaf: number }[] =>
    readFileSync(join(dir, 'populations', 'masks.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('each rule is there as it was last, with the leaf that made it and the leaf that changed it', async () => {
    assert.deepEqual(
      rows(full).map(({ name, revision }) => [name, revision]),
      [
        ['for-all', 1],
        ['for-batch', 1],
        ['for-other', 1],
        ['on-the-ledger', 1],
        ['elsewhere', 1],
        ['weakened', 2],
      ],
    );
    const weakened = rows(full).at(-1);
    assert.ok(weakened && weakened.lastLeaf > weakened.leaf);
    const csv = readFileSync(join(full, 'populations', 'masks.csv'), 'utf8');
    assert.match(csv, /^leaf,lastLeaf,id,name,revision,resource,/);
    assert.match(csv, /hr\.salaries\.amount/);
    assert.match(readFileSync(join(full, FILES.report), 'utf8'), /What was shown only masked/);
  });

  test('a package about one principal shows its rules and those for everybody, and no other’s', async () => {
    assert.deepEqual(
      rows(single).map(({ name }) => name),
      ['for-all', 'for-batch', 'on-the-ledger', 'weakened'],
    );
    const report = readFileSync(join(single, FILES.report), 'utf8');
    assert.ok(!report.includes('for-other') && !report.includes('payroll-db'));
  });

  test('both verify', async () => {
    for (const dir of [full, single]) {
      assert.deepEqual((await verifyPackage(dir, { vkey: bank.vkey })).findings, []);
    }
  });
});
