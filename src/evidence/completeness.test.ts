import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { uuidv7 } from '../core/ids.ts';
import type { Ref } from '../core/record.ts';
import { formatCheckpoint, openCheckpoint } from '../ledger/checkpoint.ts';
import { loadSigner, parseVerifierKeys, signNote } from '../ledger/note.ts';
import { PayloadErasure } from '../ledger/payload-erasure.ts';
import { rootFromTiles } from '../ledger/proof.ts';
import { encodeBundle, entriesPath, TileStore, tilePath } from '../ledger/tiles.ts';
import { leafHash } from '../ledger/tree.ts';
import { FILES, type ShownCommandRow } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { type Finding, verifyPackage } from './verify.ts';

const rowsOf = <T>(dir: string, path: string): T[] =>
  readFileSync(join(dir, path), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);

describe('records that come twice', () => {
  const bank = new Bank();
  let nights: Nights;
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story, 3);
  });
  after(() => bank.close());

  test('a doubled record is named with both leaves, in a package of the log and of its principal', async () => {
    await bank.log();
    // The operator makes a log in which numbers, tree and signatures are in order.
    const log = join(bank.dataDir, 'log');
    const store = new TileStore(log);
    const signer = loadSigner(join(log, 'log.key'));
    const { size } = openCheckpoint(readFileSync(join(log, 'checkpoint')), parseVerifierKeys(bank.vkey));
    const entries = store.readEntries(0, size);
    const texts = entries.map((entry) => entry.toString('utf8'));
    const of = (type: string): number =>
      texts.findIndex((text) => text.includes(`"type":"${type}"`) && text.includes(nights.batch.id));
    const [first, second] = [of('session.opened'), of('session.closed')];
    const idOf = (leaf: number): string => (JSON.parse(texts[leaf] as string) as { id: string }).id;
    const id = idOf(first);
    const forged = entries.with(second, Buffer.from((texts[second] as string).replace(idOf(second), id)));
    writeFileSync(join(log, entriesPath(0, size)), encodeBundle(forged));
    writeFileSync(join(log, tilePath(0, 0, size)), Buffer.concat(forged.map(leafHash)));
    const root = rootFromTiles(store.readTile, size);
    writeFileSync(
      join(log, 'checkpoint'),
      signNote(formatCheckpoint({ origin: signer.name, size, root }), signer),
    );
    for (const params of [{}, { principal: nights.batch.id }]) {
      const report = await verifyPackage(await bank.export(params), { vkey: bank.vkey });
      assert.equal(report.ok, false);
      assert.deepEqual(
        report.findings.map(({ check, leaf, record, message }) => [check, leaf, record, message]),
        [['completeness', second, id, `The record is in the log twice: leaf ${first} has the same id.`]],
      );
    }
  });
});

describe('texts that are missing', () => {
  const bank = new Bank();
  let nights: Nights;
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story, 3);
    await bank.log();
  });
  after(() => bank.close());

  test('a text that is neither there nor recorded as erased makes verification fail, in every form, and is named', async () => {
    const [first] = rowsOf<ShownCommandRow>(await bank.export({}), FILES.commands);
    const file = join(bank.dataDir, 'payloads.db');
    const selection = { commitments: [first?.payloads.statement?.commitment ?? ''] };
    const by = { kind: 'system', id: 'x', name: 'x' } as const;
    const plan = { record: 'x', time: '', by, reason: '', cause: 'request', of: null, selection } as const;
    const erasure = PayloadErasure.open(file, bank.keys);
    assert.equal((await erasure.destroy(plan, async () => undefined))?.payloads, 1);
    erasure.close();
    const db = new DatabaseSync(file);
    db.exec('DELETE FROM erased; DELETE FROM erasures');
    db.close();
    for (const statements of ['full', 'masked', 'commitments'] as const) {
      const dir = await bank.export({ statements });
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.equal(report.ok, false);
      assert.deepEqual(
        report.findings.map(({ file, leaf, record }) => [file, leaf, record]),
        [[FILES.commands, first?.leaf, first?.id]],
      );
      assert.match(report.findings[0]?.message ?? '', /Its statement is missing/);
      assert.equal(report.texts?.missing, 1);
    }
    // What is about somebody else is whole.
    const other = await verifyPackage(await bank.export({ principal: nights.other.id }), { vkey: bank.vkey });
    assert.deepEqual(other.findings, []);
  });
});

describe('legal holds and rules of retention in a package', () => {
  const bank = new Bank();
  let nights: Nights;
  let base = '';
  const hold = (on: Ref | null, reason: string): string => {
    const { story } = bank;
    const id = uuidv7();
    const after = {
      id,
      principal: on,
      reason,
      placedBy: story.ana,
      status: 'active',
      endReason: null,
      endedAt: null,
      createdAt: story.time,
    };
    const change = { entity: 'legal_hold', id, before: null, after };
    story.tell('legal_hold.placed', story.admin, on, { change, reason });
    return id;
  };
  const release = (id: string, on: Ref | null): void => {
    const { story } = bank;
    const before = story.last('legal_hold', id);
    const after = { ...before, status: 'released', endReason: 'settled', endedAt: story.time };
    story.tell('legal_hold.released', story.admin, on, {
      change: { entity: 'legal_hold', id, before, after },
      reason: 'settled',
    });
  };
  const keep = (statements: number | null, classifications: object = {}): void => {
    const after = { id: 'retention', statements, parameters: 30, classifications };
    const change = { entity: 'retention', id: 'retention', before: null, after };
    bank.story.tell('retention.changed', bank.story.admin, null, { change });
  };
  const erase = (of: Ref): void => {
    const erasure = {
      day: '2020-01-01',
      kinds: ['statement'],
      payloads: 1,
      commitments: null,
      record: null,
      cause: 'request',
    };
    bank.story.tell('payload.erased', bank.story.admin, of, { erasure, reason: 'asked for' });
  };
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story, 2);
    keep(365);
    hold(nights.batch, 'matter 1');
    const everything = hold(null, 'matter 2 =1+1');
    release(everything, null);
    hold(nights.other, 'matter 3');
    keep(90, { restricted: { statements: null, parameters: null } });
    await bank.log();
    base = await bank.export({});
  });
  after(() => bank.close());

  const forged = async (path: string, change: (text: string) => string): Promise<readonly Finding[]> => {
    const dir = bank.copy(base);
    const text = readFileSync(join(dir, path), 'utf8');
    assert.notEqual(change(text), text);
    writeFileSync(join(dir, path), change(text));
    bank.sign(dir);
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.equal(report.ok, false);
    rmSync(dir, { recursive: true });
    return report.findings.filter(({ file }) => file === path);
  };

  test('they are folded from the log, every rule that ever held among them, and verify', async () => {
    assert.deepEqual((await verifyPackage(base, { vkey: bank.vkey })).findings, []);
    const holds = rowsOf<Record<string, unknown>>(base, 'populations/legal_holds.ndjson');
    assert.deepEqual(
      holds.map(({ principal, reason, status, endReason }) => [
        (principal as Ref | null)?.name ?? null,
        reason,
        status,
        endReason,
      ]),
      [
        [nights.batch.name, 'matter 1', 'active', null],
        [null, 'matter 2 =1+1', 'released', 'settled'],
        [nights.other.name, 'matter 3', 'active', null],
      ],
    );
    const rules = rowsOf<Record<string, unknown>>(base, 'populations/retention.ndjson');
    assert.deepEqual(
      rules.map(({ statements, classifications }) => [statements, classifications]),
      [
        [365, {}],
        [90, { restricted: { statements: null, parameters: null } }],
      ],
    );
    const html = readFileSync(join(base, FILES.report), 'utf8');
    assert.match(html, /How long texts are kept[\s\S]*365[\s\S]*Legal holds[\s\S]*matter 3/);
  });

  test('a package about one principal has its holds and what holds for everybody, and nobody else’s', async () => {
    const dir = await bank.export({ principal: nights.batch.id });
    assert.deepEqual((await verifyPackage(dir, { vkey: bank.vkey })).findings, []);
    const holds = rowsOf<{ reason: string }>(dir, 'populations/legal_holds.ndjson');
    assert.deepEqual(
      holds.map(({ reason }) => reason),
      ['matter 1', 'matter 2 =1+1'],
    );
    assert.equal(rowsOf(dir, 'populations/retention.ndjson').length, 2);
  });

  test('a hold dropped, released, or put on somebody else, and a rule changed or dropped, are named', async () => {
    const holds = 'populations/legal_holds.ndjson';
    const rules = 'populations/retention.ndjson';
    const [dropped] = await forged(holds, (text) => text.slice(text.indexOf('\n') + 1));
    assert.match(dropped?.message ?? '', /A row is missing here that the log has/);
    assert.equal(dropped?.record, rowsOf<{ id: string }>(base, holds)[0]?.id);
    const [released] = await forged(holds, (text) => text.replace('"active"', '"released"'));
    assert.match(released?.message ?? '', /`status` is "released"; by the log it is "active"/);
    const [moved] = await forged(holds, (text) => text.replace(nights.batch.name, nights.other.name));
    assert.match(moved?.message ?? '', /`principal` is/);
    const [shorter] = await forged(rules, (text) => text.replace('"statements":365', '"statements":1'));
    assert.match(shorter?.message ?? '', /`statements` is 1; by the log it is 365/);
    const [rule] = await forged(rules, (text) => text.slice(text.indexOf('\n') + 1));
    assert.match(rule?.message ?? '', /A row is missing here/);
    const [csv] = await forged('populations/retention.csv', (text) => text.replace('365', '366'));
    assert.match(csv?.message ?? '', /not what follows from the log/);
    const dir = bank.copy(base);
    rmSync(join(dir, holds));
    bank.sign(dir);
    assert.match(
      JSON.stringify((await verifyPackage(dir, { vkey: bank.vkey })).findings),
      /leaves out populations\/legal_holds\.ndjson/,
    );
  });

  test('texts that were erased while a legal hold was on them are named, with the hold', async () => {
    erase(nights.other);
    const all = hold(null, 'matter 4');
    const { story } = bank;
    const third = story.principal('third');
    erase(third);
    release(all, null);
    erase(third);
    await bank.log();
    const report = await verifyPackage(await bank.export({}), { vkey: bank.vkey });
    const found = report.findings.filter(({ message }) => /although the legal hold/.test(message));
    assert.equal(found.length, 2);
    assert.match(found[1]?.message ?? '', new RegExp(all));
    assert.deepEqual(
      found.map(({ check, file, record }) => [check, file, record]),
      rowsOf<{ id: string }>(await bank.export({}), 'populations/erasures.ndjson')
        .slice(0, 2)
        .map(({ id }) => ['populations', 'populations/erasures.ndjson', id]),
    );
  });
});
