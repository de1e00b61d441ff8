import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { folderHost, type Spread } from './folder-files.ts';
import { FILES } from './format.ts';
import { Bank, tellNights } from './package.fixture.ts';
import type { Report } from './verify.ts';
import { verifyOn } from './verify-package.ts';

describe('verification with the bytes on a thread of their own', () => {
  const bank = new Bank();
  let full = '';
  let single = '';
  before(async () => {
    await bank.open();
    const { batch } = tellNights(bank.story);
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: batch.id });
  });
  after(() => bank.close());

  const TOGETHER: Spread = { from: Number.POSITIVE_INFINITY, ranges: 0 };
  const APART: Spread = { from: 0, ranges: 0 };

  const verify = (dir: string, spread: Spread): Promise<Report> =>
    verifyOn(folderHost(dir, spread), { vkey: bank.vkey });
  const flip = (path: string, at: number) => (dir: string) => {
    const bytes = readFileSync(join(dir, path));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(join(dir, path), bytes);
  };
  const tile = (dir: string): string => `tlog/tile/0/000.p/${readdirSync(join(dir, 'tlog/tile/0/000.p'))[0]}`;
  const bundle = (dir: string): string =>
    `tlog/tile/entries/000.p/${readdirSync(join(dir, 'tlog/tile/entries/000.p'))[0]}`;

  test('a whole package verifies, and everything in it was looked at', async () => {
    for (const dir of [full, single]) {
      const report = await verify(dir, APART);
      assert.deepEqual(report.findings, []);
      assert.equal(report.ok, true);
      assert.deepEqual(report, await verify(dir, TOGETHER));
    }
  });

  test('a broken one is reported word for word as without the thread', async () => {
    const breaks: readonly ((dir: string) => void)[] = [
      (dir) => flip(tile(dir), 40)(dir),
      flip(FILES.commands, 300),
      flip(FILES.manifest, 200),
      flip(FILES.checkpoint, 60),
      (dir) => rmSync(join(dir, FILES.howTo)),
      (dir) => writeFileSync(join(dir, 'extra'), 'x'),
      (dir) => rmSync(join(dir, tile(dir))),
      (dir) => writeFileSync(join(dir, FILES.manifest), '{}'),
    ];
    for (const [n, change] of [...breaks, (dir: string) => flip(bundle(dir), 700)(dir)].entries()) {
      for (const sign of [false, true]) {
        for (const from of n < breaks.length ? [full, single] : [full]) {
          const dir = bank.copy(from);
          change(dir);
          if (sign && n !== 2 && n !== 7) bank.sign(dir);
          const report = await verify(dir, APART);
          assert.deepEqual(report, await verify(dir, TOGETHER), `break ${n}`);
          assert.equal(report.ok, sign && n === 5, `break ${n}`);
          const names = new Set(report.checks.map(({ name }) => name));
          for (const { check } of report.findings) assert.equal(names.has(check), true, check);
          rmSync(dir, { recursive: true });
        }
      }
    }
  });
});

describe('payloads of a row that are anything', () => {
  const bank = new Bank();
  let base = '';
  before(async () => {
    await bank.open();
    tellNights(bank.story, 3);
    await bank.log();
    base = await bank.export({});
  });
  after(() => bank.close());

  test('are findings, of commands that were answered and of those that were not', async () => {
    const lines = readFileSync(join(base, FILES.commands), 'utf8').trimEnd().split('\n');
    const answered = 0;
    const unanswered = lines.findIndex(
      (line) => line.includes('"outcomeLeaf":null') && line.includes('"allow"'),
    );
    assert.notEqual(unanswered, -1);
    for (const at of [answered, unanswered]) {
      for (const payloads of [
        ...[null, 7, 'text', [], {}, { statement: null }, { statement: 7 }, { statement: 'text' }],
        ...[{ statement: [] }, { statement: { text: {} } }, { statement: { masked: [] } }],
        { statement: { absent: ['erased'] } },
      ]) {
        const row = JSON.parse(lines[at] as string) as { id: string; payloads: unknown };
        const { commitment, bytes } = (row.payloads as { statement: { commitment: string; bytes: number } })
          .statement;
        const own = (payloads as { statement?: unknown } | null)?.statement;
        const changed =
          typeof own === 'object' && own !== null && !Array.isArray(own)
            ? { statement: { commitment, bytes, ...own } }
            : payloads;
        const dir = bank.copy(base);
        const text = lines.with(at, JSON.stringify({ ...row, payloads: changed })).join('\n');
        writeFileSync(join(dir, FILES.commands), `${text}\n`);
        bank.sign(dir);
        const report = await verifyOn(folderHost(dir), { vkey: bank.vkey });
        const found = report.findings.filter(({ record }) => record === row.id);
        assert.equal(report.ok, false);
        assert.notEqual(found.length, 0, JSON.stringify(changed));
        rmSync(dir, { recursive: true });
      }
    }
  });
});
