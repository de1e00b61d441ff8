import { cachingReader } from '../ledger/proof.ts';
import { entries, TileFiles, type TileReader } from '../ledger/tiles.ts';
import { HASH_BYTES, leafHash, TILE_WIDTH } from '../ledger/tree.ts';
import type { CommandSummary } from './assess/command-summary.ts';
import { RecordsIn } from './assess/records-in.ts';
import { TableIn } from './assess/table-files.ts';
import { SUMMARY_TABLE } from './assess/tables.ts';
import { endedBefore } from './authority.ts';
import type { Check } from './findings.ts';
import { FILES, type Manifest, POPULATIONS, type Population, RENDERER, type TextCounts } from './format.ts';
import { type PackageFiles, readText, type VerifyHost } from './package-files.ts';
import { textsSay } from './payloads-shown.ts';
import { populationHeader, populationLine } from './population-columns.ts';
import { populationIndex } from './population-index.ts';
import { Populations } from './populations.ts';
import { LineReader, TextCursor } from './readers.ts';
import type { ReportTally } from './report-tally.ts';
import { RowMatcher } from './row-matcher.ts';
import { checkAlerts } from './verify-alerts.ts';
import { tileReader } from './verify-bytes.ts';
import { type LastUse, type LeavesChecks, LeavesVerifier, type Sequence } from './verify-leaves.ts';

export interface ActivityChecks extends LeavesChecks {
  readonly populations: Check;
}

/** What all leaves of a package came to. */
export interface AllLeaves {
  readonly populations: Populations;
  readonly tally: ReportTally;
  readonly summary: CommandSummary;
  readonly texts: TextCounts;
  readonly leaves: number;
  readonly sequences: ReadonlyMap<string, Sequence>;
  readonly lastUse: ReadonlyMap<string, LastUse>;
}

/** Goes through the leaves of a package once, beside its activity, and then compares the populations. */
export class ActivityVerifier {
  readonly #files: PackageFiles;
  readonly #pause: VerifyHost['pause'];
  readonly #manifest: Manifest;
  readonly #checks: ActivityChecks;

  constructor({ files, pause }: VerifyHost, manifest: Manifest, checks: ActivityChecks) {
    this.#files = files;
    this.#pause = pause;
    this.#manifest = manifest;
    this.#checks = checks;
  }

  /** Reads all leaves, one after the other, and checks what they come to. */
  async run(store: TileFiles, size: number, onLeaves: (count: number) => void): Promise<AllLeaves> {
    const populations = new Populations();
    const verifier = new LeavesVerifier(this.#files, this.#manifest, populations, this.#checks);
    const records = new RecordsIn(this.#files, this.#manifest, this.#checks.populations);
    verifier.onRecord = (leaf, record) => records.take(leaf, record);
    let since = 0;
    for (const [index, entry] of this.#entries(store, size)) {
      if (index === null || !verifier.takeShort(index, entry.toString('latin1')))
        verifier.take(index, entry, size);
      since += 1;
      if (since === 2048) {
        onLeaves(since);
        since = 0;
        await this.#pause();
      }
    }
    verifier.end();
    records.end();
    const { tally, summary, texts, leaves, sequences, lastUse } = verifier;
    const all = { populations, tally, summary, texts, leaves, sequences, lastUse };
    this.finish(all);
    return all;
  }

  /** Checks what can be told only after the last leaf. */
  finish(all: AllLeaves): void {
    this.#checks.texts.says(textsSay(all.texts));
    this.#endedLate(all);
    this.#checkCounts(all);
    this.#checkPopulations(all.populations);
    const store = new TileFiles(tileReader(this.#files));
    checkAlerts(all.populations, this.#manifest, this.#files, store, this.#checks.populations);
    this.#checkSummary(all.summary);
  }

  *#entries(store: TileFiles, size: number): Generator<[number | null, Buffer]> {
    if (this.#manifest.coverage === 'log') {
      try {
        for (const { index, entry } of entries(store, 0, size)) yield [index, entry];
      } catch (error) {
        this.#checks.leaves.problem('tlog', (error as Error).message);
      }
      return;
    }
    if (!this.#has(FILES.leaves)) return;
    const lines = new LineReader(this.#files.open(FILES.leaves));
    const read = cachingReader(store.readTile);
    let before = -1;
    for (let line = lines.next(); line !== null; line = lines.next()) {
      const index = this.#placeOf(line, before, size, read);
      if (index !== null) before = index;
      yield [index, line];
    }
    if (lines.cut) this.#checks.leaves.problem(FILES.leaves, 'The last line is cut off.');
    lines.close();
  }

  /** The leaf index of a line of leaves.ndjson, where its hash is in the log at that index. */
  #placeOf(line: Buffer, before: number, size: number, read: TileReader): number | null {
    const { leaves } = this.#checks;
    const index = Number(
      /^\{"v":1,"leaf":(0|[1-9]\d{0,15}),/.exec(line.subarray(0, 40).toString('latin1'))?.[1] ?? -1,
    );
    if (index < 0 || index >= size) {
      leaves.problem(FILES.leaves, 'A line does not begin with a leaf index of this log.');
      return null;
    }
    if (index <= before)
      leaves.problem(FILES.leaves, `Leaf ${index} is repeated or out of order.`, { leaf: index });
    const n = Math.floor(index / TILE_WIDTH);
    try {
      const tile = read(0, n, Math.min(TILE_WIDTH, size - n * TILE_WIDTH));
      const at = (index % TILE_WIDTH) * HASH_BYTES;
      if (!leafHash(line).equals(tile.subarray(at, at + HASH_BYTES))) {
        leaves.problem(FILES.leaves, `The entry of leaf ${index} is not the one in the log.`, {
          leaf: index,
        });
      }
    } catch (error) {
      leaves.problem(FILES.leaves, (error as Error).message, { leaf: index });
    }
    return index;
  }

  /** A grant may have been ended, in the log, only after a command that ran too late was read. */
  #endedLate({ lastUse, populations }: AllLeaves): void {
    for (const [id, { at, leaf, id: record }] of lastUse) {
      const grant = populations.grant(id);
      if (grant !== undefined && grant.lastLeaf > leaf && endedBefore(grant, at)) {
        this.#checks.authority.problem(FILES.commands, 'The command ran after its grant had been ended.', {
          leaf,
          record,
        });
      }
    }
  }

  #checkCounts({ sequences, tally, leaves }: AllLeaves): void {
    const { complete } = this.#checks;
    const counted = [...sequences].map(([id, { name, next }]) => ({ id, name, records: next - 1 }));
    for (const { id, name, records } of counted) {
      const stated = this.#manifest.principals.find((principal) => principal.id === id)?.records;
      if (stated !== records) {
        complete.problem(
          FILES.manifest,
          `${name} has ${records} records in the package; the manifest states ${stated ?? 'none'}.`,
          { record: id },
        );
      }
    }
    for (const { id, name, records } of this.#manifest.principals) {
      if (!sequences.has(id)) {
        complete.problem(FILES.manifest, `The ${records} records of ${name} are not in the package.`, {
          record: id,
        });
      }
    }
    const { allowed, denied, unanswered } = tally;
    const counts = { leaves, commands: allowed + denied, allowed, denied, unanswered };
    for (const [name, count] of Object.entries(counts)) {
      const stated = this.#manifest.counts[name as keyof typeof counts];
      if (stated !== count)
        complete.problem(FILES.manifest, `The manifest states ${stated} ${name}; there are ${count}.`);
    }
    complete.says(
      this.#manifest.coverage === 'log'
        ? 'every record of the log is here'
        : 'no gap from the first to the last record; that the last is the last is the signed statement of the manifest',
    );
  }

  #checkPopulations(populations: Populations): void {
    const { populations: check } = this.#checks;
    const counted = new Map<Population, number>();
    for (const population of POPULATIONS) {
      const [ndjson, csv] = [`populations/${population}.ndjson`, `populations/${population}.csv`] as const;
      if (!this.#has(ndjson) || !this.#has(csv)) continue;
      const rows = new RowMatcher(this.#files.open(ndjson), ndjson, check, (row) => Number(row.leaf));
      const text = new TextCursor(this.#files.open(csv));
      let same = text.takes([populationHeader(population)]);
      let count = 0;
      for (const row of populations.rows(population)) {
        const where = { key: Number(row.leaf), leaf: Number(row.leaf), record: String(row.id) };
        const given = rows.match(where);
        if (given !== null && given.text !== JSON.stringify(row)) rows.compare(given.row, row, where);
        same &&= text.takes([populationLine(population, row)]);
        count += 1;
      }
      rows.end();
      counted.set(population, count);
      if (!text.end() || !text.valid || !same)
        check.problem(csv, 'The file is not what follows from the log.');
    }
    this.#checkIndex(counted);
    for (const { leaf, erasure, hold } of populations.breaches) {
      const message = `Texts were erased although the legal hold ${hold} was on them.`;
      check.problem('populations/erasures.ndjson', message, { leaf, record: erasure });
    }
    check.says('folded again from the change records');
  }

  #checkSummary(summary: CommandSummary): void {
    if (this.#manifest.parameters.framework === undefined) return;
    const table = new TableIn(this.#files, SUMMARY_TABLE, this.#checks.populations);
    for (const row of summary.rows()) table.take(row);
    table.end();
  }

  /** The digests that it states are those of the manifest, which are checked beside. */
  #checkIndex(rows: ReadonlyMap<Population, number>): void {
    const manifest = this.#manifest;
    if (manifest.renderer !== RENDERER || !this.#has(FILES.populationIndex)) return;
    const { populations: check } = this.#checks;
    check.looked();
    if (
      readText(this.#files, FILES.populationIndex) !==
      populationIndex({ manifest, rows, files: manifest.files })
    )
      check.problem(FILES.populationIndex, 'The file is not what follows from the populations.');
  }

  #has(path: string): boolean {
    return this.#files.size(path) !== null;
  }
}
