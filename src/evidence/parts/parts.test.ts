import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parquetReadObjects } from 'hyparquet';
import { problemsOf } from '../../activity/ocsf/validate.fixture.ts';
import { folderHost } from '../folder-files.ts';
import { FILES, type Manifest, PARTS, type ShownCommandRow } from '../format.ts';
import { Bank, type Nights, tellNights } from '../package.fixture.ts';
import { verifyPackage } from '../verify.ts';
import { verifyOn } from '../verify-package.ts';

type Event = Readonly<Record<string, unknown>> & {
  readonly metadata: { readonly sequence: number; readonly uid: string };
};

describe('the activity of a package in other forms', () => {
  const bank = new Bank();
  let nights: Nights;
  let full = '';
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story);
    await bank.log();
    full = await bank.export({ parts: PARTS });
  });
  after(() => bank.close());

  const lines = <T>(dir: string, path: string): T[] =>
    readFileSync(join(dir, path), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
  const manifestOf = (dir: string): Manifest =>
    JSON.parse(readFileSync(join(dir, FILES.manifest), 'utf8')) as Manifest;
  const parquetOf = (dir: string): Promise<Record<string, unknown>[]> => {
    const bytes = readFileSync(join(dir, FILES.parquet));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    return parquetReadObjects({ file });
  };

  test('every command and every other record has one valid event, and the version is in the manifest', () => {
    const events = lines<Event>(full, FILES.ocsf);
    for (const event of events) assert.deepEqual(problemsOf(event), []);
    const manifest = manifestOf(full);
    assert.deepEqual(manifest.schemas, { ocsf: '1.8.0' });
    const outcomes = lines<ShownCommandRow>(full, FILES.commands).filter((row) => row.outcomeLeaf !== null);
    assert.equal(events.length, manifest.log.size - outcomes.length);
    const leaves = new Set(events.map(({ metadata }) => metadata.sequence));
    for (const { outcomeLeaf } of outcomes) leaves.add(outcomeLeaf as number);
    assert.equal(leaves.size, manifest.log.size, 'every leaf is told by some event');
  });

  test('the Parquet file, read by another reader, has the rows of commands.ndjson', async () => {
    const rows = lines<ShownCommandRow>(full, FILES.commands);
    const read = await parquetOf(full);
    assert.equal(read.length, rows.length);
    for (const [i, row] of rows.entries()) {
      const told = read[i] ?? {};
      assert.equal(Number(told.leaf), row.leaf);
      assert.equal(told.outcome_leaf == null ? null : Number(told.outcome_leaf), row.outcomeLeaf);
      assert.deepEqual(
        [told.id, told.principal, told.ticket, told.why],
        [row.id, row.principal?.name, row.ticket, row.why],
      );
      assert.deepEqual(told.objects, row.objects);
      assert.deepEqual(
        told.approvers,
        row.approvers.map(({ name }) => name),
      );
      assert.equal((told.time as Date).getTime(), Math.floor(Date.parse(row.time)));
      const { statement } = row.payloads;
      assert.equal(told.statement, statement !== undefined && 'text' in statement ? statement.text : null);
    }
  });

  test('both are made again at verification, and are the same bytes in another package of that position', async () => {
    const report = await verifyPackage(full, { vkey: bank.vkey });
    assert.deepEqual(report.findings, []);
    const parts = report.checks.find(({ name }) => name === 'activity in other forms');
    assert.deepEqual([parts?.count, parts?.detail], [2, 'made again, the same']);
    const again = await bank.export({ parts: PARTS });
    for (const part of PARTS) {
      assert.deepEqual(readFileSync(join(again, FILES[part])), readFileSync(join(full, FILES[part])));
    }
  });

  test('a place that cannot make them again says that it only held their hashes', async () => {
    const { part: _, ...host } = folderHost(full);
    const report = await verifyOn(host, { vkey: bank.vkey });
    assert.equal(report.ok, true);
    assert.match(JSON.stringify(report.checks), /ocsf.ndjson.*only their hashes were checked/);
  });

  test('an operator who changes an event or a row, leaves a part out or slips one in is found out', async () => {
    const forged = async (
      change: (dir: string) => void,
      manifest?: (m: Manifest) => Manifest,
    ): Promise<string> => {
      const dir = bank.copy(full);
      change(dir);
      bank.sign(dir, manifest);
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.equal(report.ok, false);
      return JSON.stringify(report.findings);
    };
    const ocsf = (dir: string): void => {
      const path = join(dir, FILES.ocsf);
      writeFileSync(path, readFileSync(path, 'utf8').replace('CHG-1042', 'CHG-1043'));
    };
    assert.match(await forged(ocsf), /ocsf.ndjson.*not what follows/);
    const parquet = (dir: string): void => {
      const bytes = readFileSync(join(dir, FILES.parquet));
      bytes[200] = (bytes[200] ?? 0) ^ 1;
      writeFileSync(join(dir, FILES.parquet), bytes);
    };
    assert.match(await forged(parquet), /parquet.*not what follows/);
    const rows = (dir: string): void => {
      const path = join(dir, FILES.commands);
      writeFileSync(path, readFileSync(path, 'utf8').replace('"rows":1', '"rows":1.5'));
    };
    assert.match(await forged(rows), /cannot be made again|not what follows/);
    const leftOut = await forged(
      () => undefined,
      (m) => ({ ...m, files: m.files.filter(({ path }) => path !== FILES.ocsf) }),
    );
    assert.match(leftOut, /leaves out .*ocsf/);
    assert.match(
      await forged(
        () => undefined,
        (m) => ({ ...m, parameters: { ...m.parameters, parts: 'x' as never } }),
      ),
      /parts are not stated/,
    );
    const plain = await bank.export({});
    writeFileSync(join(plain, FILES.ocsf), '{}\n');
    bank.sign(plain);
    assert.match(
      JSON.stringify((await verifyPackage(plain, { vkey: bank.vkey })).findings),
      /not what follows/,
    );
  });

  test('of one principal they show nobody else, and of a period nothing but it', async () => {
    const own = await bank.export({ principal: nights.batch.name, parts: PARTS });
    assert.deepEqual((await verifyPackage(own, { vkey: bank.vkey })).findings, []);
    const text = readFileSync(join(own, FILES.ocsf), 'utf8');
    assert.equal(text.includes(nights.other.id) || text.includes('secret of the other'), false);
    const [since, until] = ['2026-11-21T19:30:00.020Z', '2026-11-21T19:30:00.030Z'];
    const some = await bank.export({ since, until, parts: PARTS });
    assert.deepEqual((await verifyPackage(some, { vkey: bank.vkey })).findings, []);
    const times = lines<{ time: number }>(some, FILES.ocsf).map(({ time }) => time);
    assert.equal(times.length > 0, true);
    assert.equal(
      times.every((time) => time >= Date.parse(since) && time < Date.parse(until)),
      true,
    );
  });

  test('what a package withholds of statements is in none of its forms', async () => {
    for (const statements of ['masked', 'commitments'] as const) {
      const dir = await bank.export({ statements, parts: PARTS });
      assert.deepEqual((await verifyPackage(dir, { vkey: bank.vkey })).findings, []);
      const rows = await parquetOf(dir);
      const text = readFileSync(join(dir, FILES.ocsf), 'utf8');
      assert.equal(
        text.includes('number 7') || JSON.stringify(rows.map((row) => row.statement)).includes('number 7'),
        false,
      );
      assert.equal(
        text.includes('query_string'),
        statements === 'masked' && rows.some((row) => row.statement !== null),
      );
    }
  });

  test('a package of nothing has empty forms that can be read', async () => {
    const none = await bank.export({ since: '2030-01-01T00:00:00Z', parts: PARTS });
    assert.deepEqual((await verifyPackage(none, { vkey: bank.vkey })).findings, []);
    assert.equal(readFileSync(join(none, FILES.ocsf), 'utf8'), '');
    assert.deepEqual(await parquetOf(none), []);
  });
});
