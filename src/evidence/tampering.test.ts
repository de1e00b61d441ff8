import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatCheckpoint } from '../ledger/checkpoint.ts';
import { loadSigner, signNote } from '../ledger/note.ts';
import { rootFromTiles } from '../ledger/proof.ts';
import { encodeBundle, TileStore } from '../ledger/tiles.ts';
import { leafHash } from '../ledger/tree.ts';
import { FILES } from './format.ts';
import { Bank, type Nights, tellNights } from './package.fixture.ts';
import { type Finding, verifyPackage } from './verify.ts';

/**
 * The strongest forger there is: the operator, who holds the log's key, changes a package and signs its manifest anew. Each
 * change must be caught by what the log says, with the file and the leaf named.
 */
describe('tampering by someone who can sign', () => {
  const bank = new Bank();
  let nights: Nights;
  let early = '';
  let older = '';
  let full = '';
  let single = '';
  before(async () => {
    await bank.open();
    nights = tellNights(bank.story);
    early = await bank.log();
    older = await bank.export({});
    const grant = bank.story.grant(nights.other, 'CHG-8');
    const session = bank.story.open(nights.other, grant, bank.story.credential(nights.other, grant));
    for (let i = 0; i < 30; i++)
      bank.story.run(nights.other, session, grant, 'select', 'ledger.x', `later ${i}`);
    await bank.log();
    full = await bank.export({}, early);
    single = await bank.export({ principal: nights.batch.id });
  });
  after(() => bank.close());

  const forge = async (
    from: string,
    change: (dir: string) => void,
    options: { sign?: boolean; checkpoint?: string } = {},
  ): Promise<readonly Finding[]> => {
    const dir = bank.copy(from);
    change(dir);
    if (options.sign !== false) bank.sign(dir);
    const report = await verifyPackage(dir, { vkey: bank.vkey, checkpoint: options.checkpoint });
    assert.equal(report.ok, false);
    assert.equal(report.findings.length > 0, true);
    rmSync(dir, { recursive: true });
    return report.findings;
  };
  const has = (findings: readonly Finding[], file: string, message: RegExp, withLeaf = true): void => {
    const found = findings.find((f) => f.file === file && message.test(f.message));
    assert.ok(found, `${file} ${message}: ${JSON.stringify(findings.slice(0, 5), null, 1)}`);
    if (withLeaf) assert.equal(typeof found.leaf, 'number');
  };
  const edit = (path: string, change: (text: string) => string) => (dir: string) => {
    const text = readFileSync(join(dir, path), 'utf8');
    const changed = change(text);
    assert.notEqual(changed, text, `${path} was to be changed`);
    writeFileSync(join(dir, path), changed);
  };
  const lines = (change: (all: string[]) => string[]) => (text: string) =>
    change(text.split('\n').slice(0, -1))
      .map((line) => `${line}\n`)
      .join('');
  const swap = (all: string[], a: number, b: number): string[] =>
    all.map((line, i) => (i === a ? all[b] : i === b ? all[a] : line) as string);

  test('a changed field of a command', async () => {
    const rows = edit(FILES.commands, (text) => text.replace('"ticket":"CHG-1042"', '"ticket":"CHG-9999"'));
    has(await forge(full, rows), FILES.commands, /`ticket` is "CHG-9999"; by the log it is "CHG-1042"/);
    const who = edit(FILES.commands, (text) => text.replace(/"owner":\{[^}]*\}/, '"owner":null'));
    has(await forge(single, who), FILES.commands, /`owner` is null/);
    const verdict = edit(FILES.commands, (text) => text.replace('"decision":"deny"', '"decision":"allow"'));
    has(await forge(single, verdict), FILES.commands, /missing|decision/);
  });

  test('a deleted, an inserted, a repeated and a moved command', async () => {
    const drop = edit(
      FILES.commands,
      lines((all) => all.toSpliced(5, 1)),
    );
    has(await forge(full, drop), FILES.commands, /A row is missing/);
    const insert = edit(
      FILES.commands,
      lines((all) => all.toSpliced(5, 0, (all[5] as string).replace(/"id":"[^"]*"/, '"id":"made up"'))),
    );
    has(await forge(full, insert), FILES.commands, /does not belong here/);
    const repeat = edit(
      FILES.commands,
      lines((all) => all.toSpliced(5, 0, all[5] as string)),
    );
    has(await forge(single, repeat), FILES.commands, /does not belong here/);
    const move = edit(
      FILES.commands,
      lines((all) => swap(all, 3, 9)),
    );
    has(await forge(full, move), FILES.commands, /missing here|does not belong here/);
  });

  test('a truncated activity, to the row and to the byte', async () => {
    has(
      await forge(
        full,
        edit(
          FILES.commands,
          lines((all) => all.slice(0, -4)),
        ),
      ),
      FILES.commands,
      /A row is missing/,
    );
    has(
      await forge(
        full,
        edit(FILES.commands, (text) => text.slice(0, -30)),
      ),
      FILES.commands,
      /not a JSON|cut off/,
      false,
    );
  });

  test('a changed statement text, and one left out', async () => {
    const text = edit(FILES.commands, (all) =>
      all.replace('"text":"select number 0"', '"text":"select number 1"'),
    );
    has(await forge(full, text), FILES.commands, /text of its statement is not what was recorded/);
    const gone = edit(FILES.commands, (all) =>
      all.replace(/"payloads":\{"statement":\{[^}]*\}\}/, '"payloads":{}'),
    );
    has(await forge(single, gone), FILES.commands, /Its statement is left out/);
    const other = edit(FILES.commands, (all) =>
      all.replace(/"commitment":"[0-9a-f]{64}"/, `"commitment":"${'0'.repeat(64)}"`),
    );
    has(await forge(single, other), FILES.commands, /commitment of its statement is not that of the leaf/);
  });

  test('a spreadsheet or a report that says something else than the log', async () => {
    const csv = edit(FILES.commandsCsv, (all) => all.replace('CHG-1042', 'CHG-1043'));
    has(await forge(full, csv), FILES.commandsCsv, /is not what the log says/);
    const more = edit(FILES.commandsCsv, (all) => `${all}1,2,3\r\n`);
    has(await forge(full, more), FILES.commandsCsv, /more in it/, false);
    const report = edit(FILES.report, (all) => all.replace('CHG-1042', 'CHG-1043'));
    has(await forge(single, report), FILES.report, /not what follows from the log/, false);
  });

  test('a principal, a grant or a person dropped from the inventory, and an owner changed in it', async () => {
    const file = 'populations/principals.ndjson';
    has(
      await forge(
        full,
        edit(
          file,
          lines((all) => all.slice(1)),
        ),
      ),
      file,
      /A row is missing/,
    );
    has(
      await forge(
        full,
        edit(
          'populations/grants.ndjson',
          lines((all) => all.slice(0, -1)),
        ),
      ),
      'populations/grants.ndjson',
      /missing/,
    );
    const owner = edit(file, (text) => text.replace('"Ana Admin"', '"Somebody Else"'));
    has(await forge(single, owner), file, /`owner` is .*Somebody Else/);
    const csv = edit('populations/persons.csv', (text) => text.replace('Olaf', 'Otto'));
    has(await forge(full, csv), 'populations/persons.csv', /not what follows/, false);
  });

  const entryFile = (dir: string): string => {
    const folder = 'tlog/tile/entries/000.p';
    return `${folder}/${readdirSync(join(dir, folder))[0]}`;
  };
  const editEntries = (change: (entries: Buffer[]) => Buffer[]) => (dir: string) => {
    const path = entryFile(dir);
    const width = Number(path.split('/').at(-1));
    const entries = new TileStore(join(dir, 'tlog')).readEntries(0, width);
    const changed = change(entries.map((entry) => Buffer.from(entry)));
    writeFileSync(join(dir, path), encodeBundle(changed));
  };
  const reword = (from: string, to: string) =>
    editEntries((entries) => {
      const at = entries.findIndex((entry) => entry.includes(from));
      assert.notEqual(at, -1);
      return entries.with(at, Buffer.from((entries[at] as Buffer).toString('utf8').replace(from, to)));
    });

  test('a forged approval in the log: another time, another approver', async () => {
    const time = await forge(full, reword('"ticket":"CHG-1042"', '"ticket":"CHG-0001"'));
    has(time, entryFile(full), /The entry of leaf \d+ is not the one whose hash/);
    has(time, FILES.commands, /`ticket` is "CHG-1042"; by the log it is "CHG-0001"/);
    const late = await forge(full, reword('"start":"2026-11-21T19:30', '"start":"2026-11-21T20:30'));
    has(late, FILES.commands, /The grant had not begun yet/);
  });

  test('entries reordered or replaced in the log', async () => {
    const moved = await forge(
      full,
      editEntries((all) => all.with(20, all[22] as Buffer).with(22, all[20] as Buffer)),
    );
    has(moved, entryFile(full), /The entry of leaf 20/);
    has(moved, 'tlog/tile/entries', /names another leaf/);
  });

  test('leaves of one principal left out, repeated, reordered, changed, or of another', async () => {
    const drop = await forge(
      single,
      edit(
        FILES.leaves,
        lines((all) => all.toSpliced(12, 1)),
      ),
    );
    has(drop, FILES.leaves, /one is missing, repeated or out of order/);
    const cut = await forge(
      single,
      edit(
        FILES.leaves,
        lines((all) => all.slice(0, -3)),
      ),
    );
    has(cut, FILES.manifest, /the manifest states/, false);
    const twice = await forge(
      single,
      edit(
        FILES.leaves,
        lines((all) => all.toSpliced(12, 0, all[12] as string)),
      ),
    );
    has(twice, FILES.leaves, /repeated or out of order/);
    has(
      await forge(
        single,
        edit(
          FILES.leaves,
          lines((all) => swap(all, 11, 12)),
        ),
      ),
      FILES.leaves,
      /out of order/,
    );
    const changed = edit(FILES.leaves, (text) => text.replace('"ledger.t1"', '"ledger.t2"'));
    has(await forge(single, changed), FILES.leaves, /is not the one in the log/);
    const foreign = new TileStore(join(full, 'tlog')).readEntries(
      0,
      Number(entryFile(full).split('/').at(-1)),
    );
    const other = foreign.find((entry) => entry.includes('"ledger.reports"'))?.toString('utf8') as string;
    const added = edit(
      FILES.leaves,
      lines((all) => [...all, other]),
    );
    has(await forge(single, added), FILES.leaves, /The record is of another principal/);
  });

  test('hash tiles, proofs and consistency proofs that were altered', async () => {
    const tile = `tlog/tile/0/000.p/${readdirSync(join(single, 'tlog/tile/0/000.p'))[0]}`;
    const flip = (path: string, at: number) => (dir: string) => {
      const bytes = readFileSync(join(dir, path));
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(join(dir, path), bytes);
    };
    has(
      await forge(single, flip(tile, 5 * 32)),
      FILES.checkpoint,
      /root of the checkpoint is not that/,
      false,
    );
    has(await forge(full, flip(tile, 5 * 32)), entryFile(full), /The entry of leaf 5/);
    const [proof] = readdirSync(join(full, 'proofs'));
    has(await forge(full, flip(`proofs/${proof}`, 60)), `proofs/${proof}`, /./, false);
    const name = readdirSync(join(full, 'consistency')).find((file) => file.includes('-')) as string;
    has(
      await forge(full, flip(`consistency/${name}`, 12)),
      `consistency/${name}`,
      /does not continue|does not fit/,
      false,
    );
  });

  test('a checkpoint swapped for an older one, or for one of a rewritten log', async () => {
    const swapped = await forge(full, (dir) => writeFileSync(join(dir, FILES.checkpoint), early));
    has(swapped, FILES.checkpoint, /is not the one that the manifest states/, false);
    // An old package is whole in itself; only who holds a later checkpoint can tell.
    const later = readFileSync(join(full, FILES.checkpoint), 'utf8');
    const report = await verifyPackage(older, { vkey: bank.vkey, checkpoint: later });
    assert.match(report.findings[0]?.message ?? '', /cannot continue/);
    assert.equal(report.findings[0]?.file, FILES.checkpoint);
  });

  test('a log rewritten and signed anew as a whole is caught by a checkpoint from before', async () => {
    const rewrite = (dir: string): void => {
      reword('"ticket":"CHG-1042"', '"ticket":"CHG-0001"')(dir);
      const store = new TileStore(join(dir, 'tlog'));
      const width = Number(entryFile(dir).split('/').at(-1));
      const hashes = Buffer.concat(store.readEntries(0, width).map(leafHash));
      writeFileSync(join(dir, `tlog/tile/0/000.p/${width}`), hashes);
      const signer = loadSigner(join(bank.dataDir, 'log', 'log.key'));
      const root = rootFromTiles(store.readTile, width);
      const note = signNote(formatCheckpoint({ origin: signer.name, size: width, root }), signer);
      writeFileSync(join(dir, FILES.checkpoint), note);
    };
    const found = await forge(full, rewrite, { checkpoint: early });
    has(found, FILES.checkpoint, /does not continue the checkpoint of \d+ leaves: it was rewritten/, false);
    const name = readdirSync(join(full, 'consistency')).find((file) => file.includes('-')) as string;
    has(found, `consistency/${name}`, /does not/, false);
  });

  test('files added, removed, or replaced by links', async () => {
    const add = (dir: string): void => writeFileSync(join(dir, 'populations', 'extra.csv'), 'x');
    has(await forge(full, add, { sign: false }), 'populations/extra.csv', /does not name this file/, false);
    const remove = (dir: string): void => rmSync(join(dir, FILES.howTo));
    has(await forge(full, remove, { sign: false }), FILES.howTo, /missing/, false);
    has(await forge(full, remove), FILES.manifest, /leaves out VERIFY\.md/, false);
    const link = (dir: string): void => {
      rmSync(join(dir, FILES.howTo));
      symlinkSync('/etc/hostname', join(dir, FILES.howTo));
    };
    has(await forge(full, link, { sign: false }), FILES.howTo, /neither a file nor a folder/, false);
    const signature = (dir: string): void => rmSync(join(dir, FILES.signature));
    has(await forge(full, signature, { sign: false }), FILES.signature, /missing/, false);
  });

  test('manifests that are nonsense are findings, not crashes', async () => {
    for (const text of [
      '',
      '[]',
      '{',
      '{"format":"x"}',
      '{"format":"postern-evidence/1"}',
      'null',
      `{"format":"postern-evidence/1","files":7}`,
    ]) {
      const put = (dir: string): void => writeFileSync(join(dir, FILES.manifest), text);
      has(await forge(full, put, { sign: false }), FILES.manifest, /./, false);
    }
    const empty = join(bank.dir, 'empty');
    mkdirSync(empty);
    assert.equal((await verifyPackage(empty)).ok, false);
  });
});
