import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatCheckpoint, openCheckpoint } from '../ledger/checkpoint.ts';
import { loadSigner, parseVerifierKeys, signNote } from '../ledger/note.ts';
import { encodeBundle, entries, TileFiles } from '../ledger/tiles.ts';
import { prefixedLeafHash, TILE_WIDTH, Tree } from '../ledger/tree.ts';
import { chooseFramework } from './assess/choose.ts';
import { folderHost } from './folder-files.ts';
import { FILES, type Manifest } from './format.ts';
import { Bank } from './package.fixture.ts';
import type { VerifyHost } from './package-files.ts';
import { planRanges } from './range-plan.ts';
import { bundlesOf, pathOf, tilesOf } from './tile-files.ts';
import type { Report } from './verify.ts';
import { tileReader } from './verify-bytes.ts';
import { verifyOn } from './verify-package.ts';
import { verifyRange } from './verify-range.ts';

const IN_ORDER = { from: Number.POSITIVE_INFINITY, ranges: 0 };

describe('verification in ranges of leaves beside each other', () => {
  const bank = new Bank();
  let full = '';
  let narrow = '';
  let size = 0;
  before(async () => {
    await bank.open();
    const { story } = bank;
    story.people().resource();
    const batch = story.principal('batch');
    const other = story.principal('other');
    const grants = [story.grant(batch), story.grant(other, 'CHG-7')] as const;
    const sessions = [batch, other].map((principal, i) =>
      story.open(principal, grants[i] ?? '', story.credential(principal, grants[i] ?? '')),
    ) as [string, string];
    const waiting: (() => void)[] = [];
    for (let i = 0; i < 640; i++) {
      const [principal, grant, session] =
        i % 3 === 0 ? ([other, grants[1], sessions[1]] as const) : ([batch, grants[0], sessions[0]] as const);
      const sql = `select ${i} as "a\n{""leaf"":${i}"\r\n${i},${i},x`;
      // More kinds of statements than the report shows; some begin again much later.
      const id = story.intent(principal, session, grant, 'select', `ledger.t${i % 260}`, sql);
      const answer = (): void =>
        void story.outcome(principal, session, id, i % 5, i % 7 === 0 ? 'error' : 'ok');
      if (i % 10 === 4) waiting.push(answer);
      else if (i % 50 !== 3) answer();
      // Answered hundreds of leaves later, in another order, some never.
      if (waiting.length === 12) for (const late of waiting.splice(2, 10).reverse()) late();
      if (i % 40 === 0) story.deny(principal, session, 'delete', 'hr.salaries', `delete ${i}`);
      if (i === 200) story.handOver(batch, story.ana);
      if (i === 300) story.tell('ledger.recovered', story.admin, null, { lost: [{ file: 'a', offset: 9 }] });
      if (i === 400) story.tell('config.changed', story.admin, null, { what: '"type":"command.intent"' });
    }
    story.close(batch, sessions[0], 300, 5);
    story.revoke(batch, grants[0], 'done');
    await bank.log();
    full = await bank.export({});
    narrow = await bank.export({ since: '2026-11-21T19:30:00.300Z', until: '2026-11-21T19:30:01.100Z' });
    size = (JSON.parse(readFileSync(join(full, FILES.manifest), 'utf8')) as Manifest).log.size;
  });
  after(() => bank.close());

  /** All ranges one after the other in this thread; what goes between threads is cloned as there. */
  const inRanges = (dir: string, count: number, held: { ok: boolean }): VerifyHost => {
    const host = folderHost(dir, IN_ORDER);
    const ranges: VerifyHost['ranges'] = {
      count: () => count,
      verify: async (jobs) => {
        const results = jobs.map((job) => verifyRange(host.files, job, () => undefined));
        return results.some((result) => result === null) ? null : structuredClone(results as never);
      },
    };
    const bytes: VerifyHost['bytes'] = (job, onProgress) => {
      held.ok = false;
      return host.bytes(job, onProgress);
    };
    return { ...host, ranges, bytes };
  };
  /** The report, after every way of verifying gave the same; and whether the ranges were enough for it. */
  const verified = async (
    dir: string,
    counts = [1, 3],
    place = (host: VerifyHost): VerifyHost => host,
  ): Promise<Report & { readonly held: boolean }> => {
    const expected = await verifyOn(place(folderHost(dir, IN_ORDER)), { vkey: bank.vkey });
    let same = true;
    for (const count of counts) {
      const held = { ok: true };
      const report = await verifyOn(place(inRanges(dir, count, held)), { vkey: bank.vkey });
      assert.deepEqual(report, expected, `${count} ranges`);
      same &&= held.ok;
    }
    return { ...expected, held: same };
  };
  const forged = async (change: (dir: string) => void, sign = true): Promise<Report & { held: boolean }> => {
    const dir = bank.copy(full);
    change(dir);
    if (sign) bank.sign(dir);
    const report = await verified(dir);
    rmSync(dir, { recursive: true });
    return report;
  };
  const edit = (path: string, change: (text: string) => string) => (dir: string) => {
    const text = readFileSync(join(dir, path), 'utf8');
    const changed = change(text);
    assert.notEqual(changed, text);
    writeFileSync(join(dir, path), changed);
  };
  const flip = (path: string, at: number) => (dir: string) => {
    const bytes = readFileSync(join(dir, path));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(join(dir, path), bytes);
  };
  /** What the operator can do: other entries, with tiles, checkpoint and manifest that fit them. */
  const relog = (change: (all: string[]) => string[]) => (dir: string) => {
    const before = new TileFiles(tileReader(folderHost(dir, IN_ORDER).files));
    const all = [...entries(before, 0, size)].map(({ entry }) => entry.toString('utf8'));
    const changed = change(all).map((entry) => Buffer.from(entry));
    rmSync(join(dir, 'tlog/tile'), { recursive: true });
    rmSync(join(dir, 'proofs'), { recursive: true });
    const put = (path: string, data: Buffer): void => {
      mkdirSync(dirname(join(dir, 'tlog', path)), { recursive: true });
      writeFileSync(join(dir, 'tlog', path), data);
    };
    const tree = new Tree((level, n, hashes) => put(pathOf({ level, n, width: TILE_WIDTH }), hashes));
    for (const entry of changed) tree.append(prefixedLeafHash(Buffer.concat([Buffer.of(0), entry])));
    for (const place of tilesOf(changed.length)) {
      if (place.width < TILE_WIDTH) put(pathOf(place), tree.partial(place.level));
    }
    for (const place of bundlesOf(changed.length)) {
      put(pathOf(place), encodeBundle(changed.slice(place.n * TILE_WIDTH).slice(0, place.width)));
    }
    const signer = loadSigner(join(bank.dataDir, 'log', 'log.key'));
    const position = { origin: signer.name, size: changed.length, root: tree.root };
    const note = signNote(formatCheckpoint(position), signer);
    assert.equal(openCheckpoint(note, parseVerifierKeys(bank.vkey)).size, changed.length);
    writeFileSync(join(dir, FILES.checkpoint), note);
    bank.sign(dir, (manifest) => ({
      ...manifest,
      log: { ...manifest.log, size: changed.length, root: tree.root.toString('base64') },
    }));
  };
  const says = (report: Report, message: RegExp): void => {
    assert.equal(report.ok, false);
    assert.match(JSON.stringify(report.findings), message);
  };

  test('a whole package verifies with the same report, however it is cut, and the ranges are enough for it', async () => {
    assert.equal(size > 4 * TILE_WIDTH, true);
    for (const dir of [full, narrow]) {
      const report = await verified(dir, [1, 2, 3, 5]);
      assert.deepEqual(report.findings, []);
      assert.deepEqual([report.ok, report.held], [true, true]);
    }
  });

  test('a package with an assessment verifies with the same report, however it is cut; so does one of which the tables were changed', async () => {
    const period = '2026-11-21T19:30:00.300Z/2026-11-21T19:30:01.100Z';
    const chosen = chooseFramework({ framework: 'nist-800-53', period });
    const assessed = await bank.export({
      framework: chosen.framework ?? undefined,
      period: chosen.period ?? undefined,
    });
    const report = await verified(assessed, [3]);
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.ok, report.held], [true, true]);
    for (const [path, is, becomes, message] of [
      ['activity/records.ndjson', '"actor":"Ana Admin"', '"actor":"Ana Adnim"', /`actor` is/],
      ['activity/records.csv', 'Ana Admin', 'Ana Adnim', /not what follows/],
      ['activity/commands_summary.ndjson', '"commands":', '"commands":1', /`commands` is/],
      ['activity/commands_summary.csv', 'batch', 'butch', /not what follows/],
    ] as const) {
      const dir = bank.copy(assessed);
      edit(path, (text) => text.replace(is, becomes))(dir);
      bank.sign(dir);
      // What follows from the tables is asked again elsewhere, in tests of its own.
      says(await verified(dir, [3], ({ derive: _, ...host }) => host), message);
    }
  });

  test('rows are looked up where they are, whatever texts look like rows', () => {
    const { files } = folderHost(full, IN_ORDER);
    const plan = planRanges(files, size, 4);
    assert.notEqual(plan, null);
    for (const { from, to, rows, csv } of plan?.ranges ?? []) {
      assert.equal(from % TILE_WIDTH, 0);
      const text = readFileSync(join(full, FILES.commands)).subarray(rows.from, rows.to).toString('utf8');
      for (const line of text.trimEnd().split('\n')) {
        const { leaf, outcomeLeaf } = JSON.parse(line) as { leaf: number; outcomeLeaf: number | null };
        assert.equal((outcomeLeaf ?? leaf) >= from && (outcomeLeaf ?? leaf) < to, true);
      }
      assert.equal(csv.to > csv.from, true);
    }
    assert.equal(plan?.ranges.at(-1)?.to, size);
  });

  test('whatever is changed in any file is reported word for word as by reading in order', async () => {
    const lines = readFileSync(join(full, FILES.commands), 'utf8').trimEnd().split('\n');
    const rows = (change: (all: string[]) => string[]) =>
      edit(FILES.commands, () => `${change([...lines]).join('\n')}\n`);
    for (const at of [Math.floor(lines.length / 2), lines.length - 1]) {
      says(await forged(rows((all) => all.toSpliced(at, 1))), /row is missing/);
      says(await forged(rows((all) => all.toSpliced(at, 0, all[at] as string))), /does not belong here/);
      const other = rows((all) =>
        all.with(at, (all[at] as string).replace('"ticket":"CHG', '"ticket":"chg')),
      );
      if ((lines[at] as string).includes('"ticket":"CHG')) says(await forged(other), /`ticket` is/);
      const text = rows((all) => all.with(at, (all[at] as string).replace('"text":"', '"text":" ')));
      says(await forged(text), /does not fit the commitment/);
    }
    says(await forged(rows((all) => all.slice(0, -7))), /row is missing/);
    says(await forged(rows((all) => [...all, '{}'])), /does not belong here/);
    says(await forged(rows((all) => all.reverse())), /row is missing|not belong/);
    says(
      await forged(edit(FILES.commandsCsv, (all) => all.replaceAll('CHG-7', 'CHG-8'))),
      /not what the log says/,
    );
    says(await forged(edit(FILES.commandsCsv, (all) => `${all}1,2,3\r\n`)), /more in it/);
    says(
      await forged(edit(FILES.commandsCsv, (all) => all.slice(0, all.length / 2))),
      /not what the log says/,
    );
    says(await forged((dir) => rmSync(join(dir, FILES.commands))), /leaves out activity/);
    says(await forged((dir) => writeFileSync(join(dir, FILES.commandsCsv), '')), /not what the log says/);
    const persons = await forged(edit('populations/persons.csv', (all) => all.replace('Olaf', 'Otto')));
    says(persons, /not what follows/);
    says(
      await forged(edit(FILES.report, (all) => all.replace('CHG-7', 'CHG-8'))),
      /report is not what follows/,
    );
    says(await forged(flip('tlog/tile/entries/001', 700), false), /SHA-256 is not that of the manifest/);
    says(await forged(flip('tlog/tile/entries/002', 700)), /not the one whose hash/);
    says(await forged(flip('tlog/tile/0/001', 700)), /not the one whose hash/);
    says(await forged(flip('tlog/tile/1/000.p/5', 40)), /does not follow from the tiles below/);
    says(await forged((dir) => rmSync(join(dir, 'tlog/tile/0/002'))), /is missing/);
    says(await forged((dir) => rmSync(join(dir, 'tlog/tile/entries/003'))), /is missing/);
    says(await forged((dir) => writeFileSync(join(dir, 'extra'), 'x'), false), /does not name this file/);
    says(await forged(flip(FILES.commands, 300), false), /./);
  });

  test('a log forged as a whole is reported as by reading in order: what only ranges together can show', async () => {
    const at = (all: string[], text: string, from = 0): number => {
      const found = all.findIndex((entry, i) => i >= from && entry.includes(text));
      assert.notEqual(found, -1);
      return found;
    };
    const idOf = (entry: string | undefined): string => /"id":"([^"]*)"/.exec(entry ?? '')?.[1] ?? '';
    const relogged = (change: (all: string[]) => string[]): Promise<Report & { held: boolean }> =>
      forged((dir) => relog(change)(dir));
    const same = await relogged((all) => all);
    assert.deepEqual([same.findings, same.ok, same.held], [[], true, true]);
    const double = (all: string[]): string[] =>
      all.with(1000, (all[1000] as string).replace(idOf(all[1000]), idOf(all[20])));
    says(await relogged(double), /in the log twice/);
    const noId = (all: string[]): string[] =>
      all
        .with(30, (all[30] as string).replace(idOf(all[30]), 'x'))
        .with(900, (all[900] as string).replace(idOf(all[900]), 'x'));
    says(await relogged(noId), /in the log twice/);
    const gap = (all: string[]): string[] =>
      all.map((entry, i) =>
        i < 700 || !entry.includes('"principalSeq"')
          ? entry
          : entry.replace(/"principalSeq":(\d+)/, (_, seq) => `"principalSeq":${Number(seq) + 1}`),
      );
    says(await relogged(gap), /one is missing, repeated or out of order/);
    const again = (all: string[]): string[] => {
      const outcome = all[at(all, '"type":"command.outcome"', 40)] as string;
      const intent = /"intent":"([^"]*)"/.exec(outcome)?.[1] ?? '';
      const late = at(all, '"type":"command.outcome"', 800);
      return all.with(late, (all[late] as string).replace(/"intent":"[^"]*"/, `"intent":"${intent}"`));
    };
    says(await relogged(again), /is not open before it/);
    const ended = (all: string[]): string[] => {
      const close = at(all, '"type":"session.closed"');
      const moved = (all[close] as string).replace(/"leaf":\d+/, '"leaf":90');
      return all.with(90, moved);
    };
    says(await relogged(ended), /session was closed before/);
    // A change that poses as a command to who looks at its beginning only.
    const change = (all: string[]): string[] => {
      const made = all[at(all, '"type":"principal.updated"')] as string;
      const owner = made.slice(made.indexOf('"change":'));
      return all.with(100, (all[100] as string).replace(/\}$/, `,${owner}`));
    };
    says(await relogged(change), /`owner` is|populations|lastLeaf/);
    const posing = (all: string[]): string[] => {
      const made = all[at(all, '"type":"principal.updated"')] as string;
      const poses = made
        .replace(/"leaf":\d+/, '"leaf":110')
        .replace('"type":', '"type":"command.intent","type":');
      return all.with(110, poses);
    };
    says(await relogged(posing), /`owner` is|populations|lastLeaf/);
  });

  test('a thread that ends without an answer is an error, not a pass', async () => {
    const host = folderHost(full, IN_ORDER);
    const verify = (): Promise<never> => Promise.reject(new Error('A thread ended.'));
    const broken: VerifyHost = { ...host, ranges: { count: () => 2, verify } };
    await assert.rejects(verifyOn(broken, { vkey: bank.vkey }), /A thread ended/);
  });

  test('a signed size far beyond what is there is refused without room for it', async () => {
    const position = { origin: '', size: 2 ** 40, root: Buffer.alloc(32) };
    const report = await forged((dir) => {
      const signer = loadSigner(join(bank.dataDir, 'log', 'log.key'));
      const note = signNote(formatCheckpoint({ ...position, origin: signer.name }), signer);
      writeFileSync(join(dir, FILES.checkpoint), note);
      bank.sign(dir, (manifest) => ({
        ...manifest,
        log: { ...manifest.log, size: position.size, root: position.root.toString('base64') },
      }));
    });
    says(report, /is missing/);
  });

  test('on threads: a whole package, and a broken one', async () => {
    const host = folderHost(full, { from: 0, ranges: 3 });
    const progress: number[] = [];
    const report = await verifyOn(
      { ...host, bytes: () => Promise.reject(new Error('not in ranges')) },
      { vkey: bank.vkey, onProgress: (done, total) => progress.push(done / total) },
    );
    assert.deepEqual(report, await verifyOn(folderHost(full, IN_ORDER), { vkey: bank.vkey }));
    assert.equal(report.ok, true);
    assert.equal(progress.at(-1), 1);
    const dir = bank.copy(full);
    flip('tlog/tile/entries/002', 900)(dir);
    const broken = await verifyOn(folderHost(dir, { from: 0, ranges: 3 }), { vkey: bank.vkey });
    assert.equal(broken.ok, false);
    assert.deepEqual(broken, await verifyOn(folderHost(dir, IN_ORDER), { vkey: bank.vkey }));
  });
});
