import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodeBundle, TileStore } from '../ledger/tiles.ts';
import { FILES, type Manifest, type Parameters, type ShownCommandRow } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { verifyPackage } from './verify.ts';

/** New lines for a file, and the line that the change is about. */
type Change = (all: readonly string[]) => [lines: readonly string[], about: string | undefined];

/**
 * The twelve ways to falsify a package that an examiner asks about. Each is done twice: by a reader, who has no key; and by
 * the operator, who signs the changed package anew with the log's own key. The reader is caught by the manifest. The
 * operator is caught by the log, and the message names the file and the record.
 */
describe('twelve mutations of a package', () => {
  const bank = new Bank();
  let nights: Nights;
  let stranger: Bank;
  let older = '';
  let base = '';
  /** The same, narrowed to one resource and a time. */
  let narrow = '';
  let later = '';
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story, 8);
    await bank.log();
    older = await bank.export({});
    const grant = bank.story.grant(nights.other, 'CHG-8');
    const session = bank.story.open(nights.other, grant, bank.story.credential(nights.other, grant));
    for (let i = 0; i < 10; i++)
      bank.story.run(nights.other, session, grant, 'select', 'ledger.x', `later ${i}`);
    later = await bank.log();
    base = await bank.export({});
    const rows = rowsOf(base);
    narrow = await bank.export({ since: rows[4]?.time, until: rows[12]?.time, resource: 'ledger-db' });
    stranger = new Bank();
    await stranger.open();
    tellNights(stranger.story, 8);
    await stranger.log();
  });
  after(async () => {
    await bank.close();
    await stranger.close();
  });

  const read = (dir: string, path: string): string => readFileSync(join(dir, path), 'utf8');
  const linesOf = (dir: string, path: string): string[] => read(dir, path).trimEnd().split('\n');
  const rowsOf = (dir: string): ShownCommandRow[] =>
    linesOf(dir, FILES.commands).map((line) => JSON.parse(line) as ShownCommandRow);
  const idOf = (line: string | undefined): string => (JSON.parse(line ?? '{}') as { id: string }).id;
  const put = (dir: string, path: string, lines: readonly string[]): void =>
    writeFileSync(join(dir, path), lines.map((line) => `${line}\n`).join(''));
  /** Changes the lines of a file and answers the id of the record that the change is about. */
  const lines =
    (path: string, change: Change) =>
    (dir: string): string => {
      const [changed, about] = change(linesOf(dir, path));
      put(dir, path, changed);
      return idOf(about);
    };
  const commands = (change: Change) => lines(FILES.commands, change);

  const bundle = (dir: string): string => {
    const folder = 'tlog/tile/entries/000.p';
    return `${folder}/${readdirSync(join(dir, folder))[0]}`;
  };
  const state = (change: Partial<Parameters>) => (manifest: Manifest) => ({
    ...manifest,
    parameters: { ...manifest.parameters, ...change },
  });

  interface Mutation {
    readonly name: string;
    readonly from?: () => string;
    /** Changes the package; answers the id of the record that the finding must name, where it is about one. */
    readonly change: (dir: string) => string | null;
    /** What the operator states in the manifest that is signed anew. */
    readonly states?: () => (manifest: Manifest) => Manifest;
    readonly file: string | ((dir: string) => string);
    readonly message: RegExp;
    /** What the examiner holds from elsewhere. */
    readonly held?: () => string;
  }

  const MUTATIONS: readonly Mutation[] = [
    {
      name: '1. edit: another number of rows',
      change: commands((all) => {
        const at = all.findIndex((line) => line.includes('"rows":1,'));
        return [all.with(at, (all[at] ?? '').replace('"rows":1,', '"rows":9,')), all[at]];
      }),
      file: FILES.commands,
      message: /`rows` is 9; by the log it is 1/,
    },
    {
      name: '2. delete: a command is left out',
      change: commands((all) => [all.toSpliced(6, 1), all[6]]),
      file: FILES.commands,
      message: /A row is missing here that the log has/,
    },
    {
      name: '3. insert: a command that never was',
      change: commands((all) => {
        const made = (all[3] ?? '').replace(/"id":"[^"]*"/, '"id":"01999999-0000-7000-8000-000000000000"');
        return [all.toSpliced(3, 0, made), made];
      }),
      file: FILES.commands,
      message: /does not belong here/,
    },
    {
      name: '4. reorder: two commands change places',
      change: commands((all) => [all.with(3, all[4] ?? '').with(4, all[3] ?? ''), all[3]]),
      file: FILES.commands,
      message: /missing here|does not belong here/,
    },
    {
      name: '5. truncate the tail: the last commands are cut off',
      change: commands((all) => [all.slice(0, -3), all.at(-3)]),
      file: FILES.commands,
      message: /A row is missing here that the log has/,
    },
    {
      name: '6. swap the checkpoint: that of an earlier state',
      change: (dir) => {
        writeFileSync(join(dir, FILES.checkpoint), read(older, FILES.checkpoint));
        return null;
      },
      file: FILES.checkpoint,
      message: /The checkpoint \(\d+ leaves\) is not the one that the manifest states \(\d+ leaves\)/,
    },
    {
      name: '7. present an older one: a whole package, from before what was done',
      from: () => older,
      change: () => null,
      held: () => later,
      file: FILES.checkpoint,
      message: /cannot continue|does not continue/,
    },
    {
      name: '8. forge an approval time: the grant is approved earlier, in the entry of the log itself',
      change: (dir) => {
        const path = bundle(dir);
        const all = new TileStore(join(dir, 'tlog')).readEntries(0, Number(path.split('/').at(-1)));
        const at = all.findIndex((entry) => entry.includes('"grant.activated"'));
        const entry = all[at]?.toString('utf8') ?? '';
        const forged = entry.replace(/"start":"[^"]*"/, '"start":"2026-11-20T00:00:00.000000Z"');
        assert.notEqual(forged, entry);
        writeFileSync(join(dir, path), encodeBundle(all.with(at, Buffer.from(forged))));
        return idOf(forged);
      },
      file: bundle,
      message: /The entry of leaf \d+ is not the one whose hash is in tlog\/tile\/0\//,
    },
    {
      name: '9. drop an identity from the inventory',
      change: lines('populations/principals.ndjson', (all) => [all.slice(1), all[0]]),
      file: 'populations/principals.ndjson',
      message: /A row is missing here that the log has/,
    },
    {
      // There are no assertions in a package yet; what is asserted is what the parameters say the commands are.
      name: '10. change a parameter of an assertion: the period is said to be longer than what is shown',
      from: () => narrow,
      change: () => rowsOf(base)[0]?.id ?? '',
      states: () => state({ since: null }),
      file: FILES.commands,
      message: /A row is missing here that the log has/,
    },
    {
      name: '11. remove a failing row: the refusal is left out, and the counts are made to fit',
      change: commands((all) => {
        const at = all.findIndex((line) => line.includes('"decision":"deny"'));
        return [all.toSpliced(at, 1), all[at]];
      }),
      states: () => (manifest) => ({
        ...manifest,
        counts: { ...manifest.counts, commands: manifest.counts.commands - 1, denied: 0 },
      }),
      file: FILES.commands,
      message: /A row is missing here that the log has/,
    },
    {
      name: '12. alter a query: the rows of one selection are given out as those of another',
      from: () => narrow,
      change: (dir) => rowsOf(dir)[0]?.id ?? '',
      states: () => state({ resource: { id: '01999999-0000-7000-8000-000000000001', name: 'other-db' } }),
      file: FILES.commands,
      message: /does not belong here/,
    },
  ];

  test('there are twelve of them', () => assert.equal(MUTATIONS.length, 12));

  for (const { name, from, change, states, file, message, held } of MUTATIONS) {
    test(name, async () => {
      const dir = bank.copy(from?.() ?? base);
      const record = change(dir);
      const wanted = typeof file === 'string' ? file : file(dir);
      const options = { vkey: bank.vkey, checkpoint: held?.() };

      if (states === undefined && held === undefined) {
        const unsigned = await verifyPackage(dir, options);
        assert.equal(unsigned.ok, false);
        const changed = unsigned.findings.find((finding) => finding.file === wanted);
        assert.match(changed?.message ?? '', /SHA-256|bytes|The file/);
      }

      if (held === undefined) bank.sign(dir, states?.());
      const report = await verifyPackage(dir, options);
      assert.equal(report.ok, false);
      const found = report.findings.find(
        (finding) =>
          finding.file === wanted &&
          message.test(finding.message) &&
          (record === null || finding.record === record),
      );
      assert.ok(
        found,
        `${wanted} ${record} ${message}: ${JSON.stringify(report.findings.slice(0, 8), null, 1)}`,
      );
      rmSync(dir, { recursive: true });
    });
  }

  test('an earlier checkpoint that the manifest states as well does not fit the tiles', async () => {
    const dir = bank.copy(base);
    writeFileSync(join(dir, FILES.checkpoint), read(older, FILES.checkpoint));
    const { log } = JSON.parse(read(older, FILES.manifest)) as Manifest;
    bank.sign(dir, (manifest) => ({ ...manifest, log }));
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.equal(
      report.findings.some(({ file }) => file === bundle(older)),
      true,
    );
  });

  test('what is not mutated verifies, and a checkpoint of another log is none of this one', async () => {
    for (const dir of [base, narrow, older]) {
      assert.deepEqual((await verifyPackage(dir, { vkey: bank.vkey })).findings, []);
    }
    const dir = bank.copy(base);
    const foreign = readFileSync(join(stranger.dataDir, 'log', 'checkpoint'), 'utf8');
    writeFileSync(join(dir, FILES.checkpoint), foreign);
    bank.sign(dir);
    const report = await verifyPackage(dir, { vkey: bank.vkey });
    assert.equal(
      report.findings.some((finding) => finding.file === FILES.checkpoint),
      true,
    );
  });
});
