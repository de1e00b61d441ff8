import assert from 'node:assert/strict';
import { createWriteStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { csvLine } from './csv.ts';
import { FILES, type Manifest, type ShownCommandRow } from './format.ts';
import { escapeHtml } from './html.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { formatReport, verifyPackage } from './verify.ts';
import { listFolder, zipFolder } from './zip.ts';

describe('evidence package', () => {
  const bank = new Bank();
  let nights: Nights;
  let early = '';
  let full = '';
  let single = '';
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story);
    early = await bank.log();
    const grant = bank.story.grant(nights.other, 'CHG-8');
    const session = bank.story.open(nights.other, grant, bank.story.credential(nights.other, grant));
    for (let i = 0; i < 300; i++)
      bank.story.run(nights.other, session, grant, 'select', 'ledger.x', `later ${i}`);
    await bank.log();
    full = await bank.export({}, early);
    single = await bank.export({ principal: 'nightly-ledger-batch' });
  });
  after(() => bank.close());
  const read = (dir: string, path: string): string => readFileSync(join(dir, path), 'utf8');
  const rowsOf = (dir: string): ShownCommandRow[] =>
    read(dir, FILES.commands)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ShownCommandRow);
  const problems = async (dir: string, options = {}) => {
    const report = await verifyPackage(dir, { vkey: bank.vkey, ...options });
    return report.findings.map((f) => `${f.check} | ${f.file} | ${f.leaf ?? ''} | ${f.message}`);
  };

  test('a package of the whole log and one of a single principal verify, as folder and as zip', async () => {
    for (const dir of [full, single]) {
      assert.deepEqual(await problems(dir), []);
      const zip = `${dir}.zip`;
      await zipFolder(dir, createWriteStream(zip));
      const report = await verifyPackage(zip, { vkey: bank.vkey, checkpoint: early });
      assert.deepEqual(report.findings, []);
      assert.equal(report.ok, true);
      assert.equal(
        report.checks.every(({ ok }) => ok),
        true,
      );
      assert.match(formatReport(report), /^VERIFIED.*\n[\s\S]*given by you/);
    }
  });

  test('without a pinned key the report says that the key came from the package', async () => {
    const report = await verifyPackage(single);
    assert.equal(report.key?.pinned, false);
    assert.match(formatReport(report), /taken from the package itself/);
  });

  test('another key refuses the package', async () => {
    const stranger = new Bank();
    await stranger.open();
    const report = await verifyPackage(single, { vkey: stranger.vkey });
    await stranger.close();
    assert.equal(report.ok, false);
    assert.deepEqual(
      [...new Set(report.findings.map(({ file }) => file))],
      [FILES.signature, FILES.checkpoint],
    );
    assert.equal(report.checks.filter(({ detail }) => detail === 'not checked').length > 5, true);
  });

  test('each command says who, which owner then, which grant, whose approval, which ticket, and how it ended', () => {
    const rows = rowsOf(single);
    const first = rows[0];
    assert.deepEqual(
      [first?.principal, first?.owner, first?.grant, first?.approvers, first?.ticket, first?.status],
      [nights.batch, bank.story.olaf, nights.grant, [bank.story.ana], 'CHG-1042', 'ok'],
    );
    assert.equal(
      rows.find((row) => row.objects.includes('ledger.t1') && row.owner?.name === 'Ana Admin') !== undefined,
      true,
    );
    const denied = rows.find((row) => row.decision === 'deny');
    assert.equal(denied?.why, 'POSTERN_SCOPE_DENIED: No grant covers select on hr.salaries.');
    assert.equal(rows.at(-1)?.outcomeLeaf, null);
    const manifest = JSON.parse(read(single, FILES.manifest)) as Manifest;
    assert.deepEqual(manifest.counts, { leaves: 54, commands: 23, allowed: 22, denied: 1, unanswered: 1 });
  });

  test('a package about one principal shows nothing of another', () => {
    const hidden = [nights.other.id, nights.other.name, 'secret of the other', 'CHG-7', 'ledger.reports'];
    for (const path of listFolder(single).files) {
      const text = read(single, path);
      for (const word of hidden) assert.equal(text.includes(word), false, `${path} has ${word}`);
    }
    assert.equal(
      listFolder(single).files.some((path) => path.includes('entries')),
      false,
    );
  });

  test('no key, password or token is in any file of a package', () => {
    const secrets = [
      readFileSync(join(bank.dataDir, 'log', 'log.key'), 'latin1')
        .trim()
        .split('+')
        .slice(4)
        .join('+'),
      bank.masterKey.toString('base64'),
      bank.masterKey.toString('latin1'),
      'PRIVATE+KEY',
    ];
    for (const dir of [full, single]) {
      for (const path of listFolder(dir).files) {
        const text = readFileSync(join(dir, path), 'latin1');
        for (const secret of secrets) assert.equal(text.includes(secret), false, path);
        assert.equal(statSync(join(dir, path)).mode & 0o077, 0, path);
      }
    }
  });

  test('what an identity wrote into a statement is inert in the report and in the spreadsheets', () => {
    const report = read(single, FILES.report);
    assert.equal(/<script|<img|\u202e/.test(report), false);
    assert.match(report, /Books the day &lt;script&gt;alert\(1\)&lt;\/script&gt;/);
    assert.match(report, /&lt;img src=x onerror=alert\(1\)&gt;/);
    assert.match(report, /default-src 'none'/);
    assert.match(read(single, FILES.commandsCsv), /,"'=cmd\|/);
  });

  test('parameters narrow the commands, and verification holds the package to them', async () => {
    const rows = rowsOf(full);
    const since = rows[10]?.time ?? '';
    const until = rows[30]?.time ?? '';
    const part = await bank.export({ since, until, resource: 'ledger-db' });
    assert.deepEqual(await problems(part), []);
    const shown = rowsOf(part);
    assert.deepEqual(
      shown.map((row) => row.id).sort(),
      rows
        .filter((row) => row.time >= since && row.time < until)
        .map((row) => row.id)
        .sort(),
    );
    bank.sign(part, (manifest) => ({ ...manifest, parameters: { ...manifest.parameters, since: null } }));
    assert.match((await problems(part)).join('\n'), /activity\/commands\.ndjson \| \d+ \| A row is missing/);
  });

  test('an unknown principal, a bad time and a folder in use are refused', async () => {
    await assert.rejects(() => bank.export({ principal: 'nobody' }), { code: 'POSTERN_NOT_FOUND' });
    await assert.rejects(() => bank.export({ since: 'yesterday' }), { code: 'POSTERN_INVALID' });
    await assert.rejects(() => verifyPackage(join(bank.dir, 'nothing')), { code: 'POSTERN_NOT_FOUND' });
    await assert.rejects(() => verifyPackage(full, { vkey: 'x' }), { code: 'POSTERN_INVALID' });
  });

  test('one flipped byte in any file is caught, and the file is named', async () => {
    const kinds = new Map<string, string>();
    for (const dir of [full, single]) {
      for (const path of listFolder(dir).files) kinds.set(`${dir}${path.replace(/\d+/g, '#')}`, path);
    }
    assert.equal(kinds.size > 40, true);
    for (const [kind, path] of kinds) {
      const from = kind.startsWith(full) ? full : single;
      const copy = bank.copy(from);
      const content = readFileSync(join(copy, path));
      if (content.length === 0) continue;
      const at = Math.floor(content.length / 2);
      content[at] = (content[at] ?? 0) ^ 1;
      writeFileSync(join(copy, path), content);
      const report = await verifyPackage(copy, { vkey: bank.vkey });
      assert.equal(report.ok, false, path);
      assert.equal(
        report.findings.some(({ file }) => file === path || path.startsWith(FILES.manifest)),
        true,
        path,
      );
    }
  });
});

test('CSV cells that a spreadsheet would run are kept from it, and everything is quoted as RFC 4180 wants', () => {
  for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '  =1', '%0a', '|x', '\n=1']) {
    assert.equal(
      csvLine([text]),
      `"'${text}"\r\n`.replace(/^"'(\S+)"\r\n$/, (whole, inner) =>
        /[",\s']/.test(`'${inner}`) ? whole : `'${inner}\r\n`,
      ),
    );
  }
  assert.equal(
    csvLine(['a,b', 'say "hi"', 'two\nlines', null, 7, true, ['x', 'y']]),
    '"a,b","say ""hi""","two\nlines",,7,true,"x; y"\r\n',
  );
  assert.equal(csvLine([[{ id: '1', name: '=evil' }]]), `"'=evil"\r\n`);
});

test('HTML shows markup, control characters and direction marks instead of obeying them', () => {
  assert.equal(
    escapeHtml(`<a href="x" onclick='y'>&`),
    '&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;',
  );
  assert.equal(escapeHtml('a\u0000b\u001b[2Jc\u202ed\ne'), 'a\u2400b\u241b[2Jc[U+202e]d\ne');
});
