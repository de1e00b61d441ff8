import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PayloadErasure } from '../ledger/payload-erasure.ts';
import { FILES, type ShownCommandRow, type TextMode } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { formatReport, verifyPackage } from './verify.ts';
import { listFolder } from './zip.ts';

describe('what a package shows of statements', () => {
  const bank = new Bank();
  let nights: Nights;
  const dirs = {} as Record<TextMode, string>;
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story, 3);
    const { batch } = nights;
    const { story } = bank;
    const grant = story.grant(batch, 'CHG-9');
    const session = story.open(batch, grant, story.credential(batch, grant));
    story.run(
      batch,
      session,
      grant,
      'select',
      'ledger.t9',
      "select a from t where owner = 'Erika' and n = 471108153",
    );
    story.run(batch, session, grant, 'select', 'ledger.t9', "select 'Erika' -- comment on Erika");
    await bank.log();
    for (const statements of ['full', 'masked', 'commitments'] as const) {
      dirs[statements] = await bank.export({ statements });
    }
  });
  after(() => bank.close());
  const rowsOf = (dir: string): ShownCommandRow[] =>
    readFileSync(join(dir, FILES.commands), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ShownCommandRow);

  test('each form verifies, and the report says how many texts were proved, masked and committed to only', async () => {
    const counts = [];
    for (const dir of Object.values(dirs)) {
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.deepEqual(report.findings, []);
      counts.push(report.texts);
    }
    const none = { full: 0, masked: 0, withheld: 0, erased: 0, missing: 0 };
    // The refused statement did not parse, and one has a comment: of neither it is certain what in it is a literal.
    assert.deepEqual(counts, [
      { ...none, full: 11 },
      { ...none, masked: 9, withheld: 2 },
      { ...none, withheld: 11 },
    ]);
    const text = formatReport(await verifyPackage(dirs.masked, { vkey: bank.vkey }));
    assert.match(text, /statements masked, bind values withheld/);
    assert.match(text, /0 shown in full and proved; 9 masked \(nobody can compute.*; 2 by commitment only/);
  });

  test('masked, the literals are nowhere in the package; as commitments, no text is, and no salt to test guesses with', () => {
    for (const [mode, words] of [
      ['masked', ['Erika', '471108153', 'onerror', 'salt']],
      ['commitments', ['Erika', '471108153', 'onerror', 'salt', 'select a from t', 'pg_sleep']],
    ] as const) {
      for (const path of listFolder(dirs[mode]).files) {
        if (path === FILES.howTo || path === FILES.page) continue;
        const text = readFileSync(join(dirs[mode], path), 'utf8');
        for (const word of words) assert.equal(text.includes(word), false, `${path} has ${word}`);
      }
    }
    const masked = rowsOf(dirs.masked).flatMap(({ payloads }) =>
      payloads.statement !== undefined && 'masked' in payloads.statement ? [payloads.statement.masked] : [],
    );
    assert.equal(masked.includes("select a from t where owner = '' and n = 0"), true);
  });

  test('a form that the manifest does not state is a finding, and so is one that does not exist', async () => {
    const problems = async (from: string, change: (payload: Record<string, unknown>) => unknown) => {
      const dir = bank.copy(from);
      const [first, ...rest] = readFileSync(join(dir, FILES.commands), 'utf8').split('\n');
      const row = JSON.parse(first ?? '') as { payloads: { statement: unknown } };
      row.payloads.statement = change(row.payloads.statement as Record<string, unknown>);
      writeFileSync(join(dir, FILES.commands), [JSON.stringify(row), ...rest].join('\n'));
      bank.sign(dir);
      const report = await verifyPackage(dir, { vkey: bank.vkey });
      assert.equal(report.ok, false);
      return report.findings.map(({ file, leaf, message }) => `${file} ${typeof leaf} ${message}`).join('\n');
    };
    const bare = ({ commitment, bytes }: Record<string, unknown>): object => ({ commitment, bytes });
    const otherwise =
      /activity\/commands\.ndjson number Its statement is shown otherwise than the manifest says/;
    assert.match(await problems(dirs.full, (p) => ({ ...bare(p), absent: 'withheld' })), otherwise);
    assert.match(await problems(dirs.full, (p) => ({ ...bare(p), masked: 'select 1' })), otherwise);
    assert.match(await problems(dirs.commitments, (p) => ({ ...bare(p), masked: 'select 1' })), otherwise);
    const real = rowsOf(dirs.full)[0]?.payloads.statement;
    assert.match(await problems(dirs.masked, () => real), otherwise);
    const none = /Its statement is shown in no form that there is/;
    assert.match(await problems(dirs.full, (p) => ({ ...p, masked: 'x' })), none);
    assert.match(await problems(dirs.masked, (p) => ({ ...bare(p), masked: 7 })), none);
    assert.match(await problems(dirs.full, (p) => ({ ...bare(p), absent: 'constructor' })), none);
    // Nobody hides a text by calling it erased.
    assert.match(
      await problems(dirs.full, (p) => ({ ...bare(p), absent: 'erased' })),
      /activity\/commands\.ndjson number Its statement is said to be erased, but no record after it erases it/,
    );
  });

  test('erased texts show as erased, with who, when and why, and every proof holds', async () => {
    const { batch, other } = nights;
    const day = bank.story.time.slice(0, 10);
    const file = join(bank.dataDir, 'payloads.db');
    const erasure = PayloadErasure.open(file, bank.keys);
    const [first] = rowsOf(dirs.full);
    const erase = async (
      of: typeof batch,
      selection: Parameters<typeof erasure.find>[0],
      reason: string,
    ): Promise<void> => {
      const plan = {
        record: 'r',
        time: bank.story.time,
        by: bank.story.admin,
        reason,
        cause: 'request',
        of: null,
        selection,
      } as const;
      await erasure.destroy(plan, async ({ kinds, payloads, commitments }) => {
        bank.story.tell('payload.erased', bank.story.admin, of, {
          erasure: { day, kinds, payloads, commitments, record: null, cause: 'request' },
          reason,
        });
      });
    };
    await erase(batch, { commitments: [first?.payloads.statement?.commitment ?? ''] }, 'DP-77');
    await erase(other, { principalId: other.id, day, kinds: ['statement'] }, 'their day');
    await erasure.clean(true);
    erasure.close();
    await bank.log();
    const dir = await bank.export({});
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.texts?.erased, report.texts?.full], [4, 7]);
    assert.deepEqual(
      report.erasures.map(({ by, principal, day: of, payloads, reason }) => [
        by.name,
        principal?.name,
        of,
        payloads,
        reason,
      ]),
      [
        ['Ana Admin', batch.name, day, 1, 'DP-77'],
        ['Ana Admin', other.name, day, 3, 'their day'],
      ],
    );
    assert.match(formatReport(report), /Texts erased, by the log:[\s\S]*by Ana Admin at .*: DP-77/);
    const html = readFileSync(join(dir, FILES.report), 'utf8');
    assert.match(html, /Texts that were erased[\s\S]*DP-77/);
    assert.match(readFileSync(join(dir, FILES.commandsCsv), 'utf8'), /\[erased\]/);
    // A package about one principal shows the erasure of its texts and not that of another's.
    const single = await verifyPackage(await bank.export({ principal: batch.id }), { vkey: bank.vkey });
    assert.deepEqual(single.findings, []);
    assert.deepEqual(
      single.erasures.map(({ reason }) => reason),
      ['DP-77'],
    );
    // An erasure that the log does not have excuses nothing: the list of erasures is compared with the leaves.
    const forged = bank.copy(dir);
    const list = join(forged, 'populations/erasures.ndjson');
    writeFileSync(list, readFileSync(list, 'utf8').replace('"DP-77"', '"DP-78"'));
    bank.sign(forged);
    const caught = await verifyPackage(forged, { vkey: bank.vkey });
    assert.match(
      JSON.stringify(caught.findings),
      /populations\/erasures\.ndjson","leaf":\d+,"record":"[^"]+","message":"`reason` is \\"DP-78\\"/,
    );
  });
});
