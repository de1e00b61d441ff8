/** What the log says of those who administer it, of itself, and of what was captured where. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FILES, type Manifest } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { formatReport, verifyPackage } from './verify.ts';

type Row = Readonly<Record<string, unknown>>;

const rowsOf = (dir: string, population: string): Row[] =>
  readFileSync(join(dir, `populations/${population}.ndjson`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

describe('populations', () => {
  const bank = new Bank();
  let nights: Nights;
  let full = '';
  let single = '';

  before(async () => {
    await bank.open();
    const { story } = bank;
    story.tell('service.started', SYSTEM, null, { service: { version: '0.1.0', node: '24' } });
    nights = tellNights(story, 3);
    changeRoles(['admin', 'auditor'], 'active', 'audits too');
    changeRoles(['auditor'], 'active', 'administers no more');
    story.tell('authenticator.added', story.admin, null, {
      change: {
        entity: 'authenticator',
        id: 'key-1',
        before: null,
        after: { id: 'key-1', person: story.ana, kind: 'passkey', status: 'active' },
      },
    });
    changeRoles(['auditor'], 'disabled', 'left');
    story.tell('service.stopped', SYSTEM, null, { service: { version: '0.1.0', node: '24' } });
    story.tell('ledger.recovered', SYSTEM, null, { writer: 'worker-0', since: story.time, reason: 'ENOSPC' });
    story
      .wait(60_000_000)
      .tell('service.started', SYSTEM, null, { service: { version: '<0.2>', node: '24' } });
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: 'nightly-ledger-batch' });
  });
  after(() => bank.close());

  const SYSTEM = { kind: 'system', id: 'postern', name: 'postern' } as const;

  function changeRoles(roles: readonly string[], status: string, reason: string): void {
    const { story } = bank;
    const before = story.last('person', story.ana.id);
    story.tell(status === 'active' ? 'person.updated' : 'person.disabled', story.admin, null, {
      change: { entity: 'person', id: story.ana.id, before, after: { ...before, roles, status } },
      reason,
    });
  }

  test('say of each role who had it, from when until when, and on whose word', () => {
    const rows = rowsOf(full, 'administrators').filter(({ person }) => (person as Row).name === 'Ana Admin');
    const told = rows.map(({ role, status, givenBecause, takenBecause }) => [
      role,
      status,
      givenBecause,
      takenBecause,
    ]);
    assert.deepEqual(told, [
      ['admin', 'taken', null, 'administers no more'],
      ['auditor', 'taken', 'audits too', 'left'],
    ]);
    assert.deepEqual(rows[0]?.signsInBy, ['passkey']);
    assert.deepEqual(rows[1]?.takenBy, bank.story.ana);
  });

  test('say when Postern ran, when it could not record, and who took evidence', () => {
    const rows = rowsOf(full, 'log_health');
    assert.deepEqual(
      rows.map(({ kind }) => kind),
      ['opened', 'started', 'stopped', 'not_recording', 'started'],
    );
    assert.match(String(rows[3]?.what), /worker-0 could not write records and let nothing through: ENOSPC/);
    // It was down from the stop on.
    assert.equal(rows[4]?.since, rows[2]?.time);
    assert.deepEqual(rowsOf(single, 'log_health'), []);
  });

  test('say of each resource when it was last used and what is masked on it', () => {
    const [resource] = rowsOf(full, 'resources');
    const opened = rowsOf(full, 'sessions').map(({ openedAt }) => openedAt);
    assert.equal(resource?.lastSessionAt, opened.sort().at(-1));
    assert.deepEqual(resource?.masks, []);
  });

  test('are listed with query, rows, digests and the log position that they are as of', async () => {
    const index = JSON.parse(readFileSync(join(full, FILES.populationIndex), 'utf8'));
    const manifest = JSON.parse(readFileSync(join(full, FILES.manifest), 'utf8')) as Manifest;
    assert.deepEqual(index.asOf, {
      origin: manifest.log.origin,
      size: manifest.log.size,
      root: manifest.log.root,
      time: bank.story.time,
    });
    for (const { population, query, rows, ndjson, csv } of index.populations) {
      const content = readFileSync(join(full, ndjson.path));
      assert.equal(rows, content.toString('utf8').split('\n').length - 1, population);
      assert.equal(ndjson.sha256, hash('sha256', content));
      assert.equal(csv.sha256, hash('sha256', readFileSync(join(full, csv.path))));
      assert.ok(query.length > 10);
    }
    assert.equal((await verifyPackage(full, { vkey: bank.vkey })).ok, true);
  });

  test('that the operator changed are found: rows, their index, and the time of the last record', async () => {
    const edits: readonly [string, (text: string) => string, RegExp][] = [
      [
        'populations/administrators.ndjson',
        (text) => text.replace('audits too', 'was told to'),
        /givenBecause/,
      ],
      [
        'populations/log_health.ndjson',
        (text) => text.replace(/^.*not_recording.*\n/m, ''),
        /A row is missing/,
      ],
      ['populations/resources.ndjson', (text) => text.replace('"masks":[]', '"masks":["cards"]'), /masks/],
      [FILES.populationIndex, (text) => text.replace(/"rows": 5/, '"rows": 6'), /does not|not what follows/],
    ];
    for (const [file, edit, says] of edits) {
      const dir = bank.copy(full);
      const path = join(dir, file);
      const text = readFileSync(path, 'utf8');
      assert.notEqual(edit(text), text, file);
      writeFileSync(path, edit(text));
      bank.sign(dir);
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.equal(report.ok, false, file);
      assert.match(formatReport(report), says, file);
    }
    for (const whole of [full, single]) {
      const dir = bank.copy(whole);
      bank.sign(dir, (manifest) => ({
        ...manifest,
        log: { ...manifest.log, time: '2027-01-01T00:00:00.000000Z' },
      }));
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.match(formatReport(report), /2027-01-01.* as the time of the last record/);
    }
    assert.ok(nights.grant);
  });

  test('and everything that is derived are the same bytes in two packages of one log position', async () => {
    const again = await bank.export({});
    const files = (dir: string): object =>
      (JSON.parse(readFileSync(join(dir, FILES.manifest), 'utf8')) as Manifest).files;
    assert.deepEqual(files(again), files(full));
  });
});
