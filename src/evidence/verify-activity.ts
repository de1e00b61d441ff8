import { microsOf } from '../activity/times.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { cachingReader } from '../ledger/proof.ts';
import { RecordIds } from '../ledger/record-ids.ts';
import { entries, type TileFiles, type TileReader } from '../ledger/tiles.ts';
import { HASH_BYTES, leafHash, TILE_WIDTH } from '../ledger/tree.ts';
import { authorityProblems, endedBefore } from './authority.ts';
import { COMMANDS_HEADER, CommandTexts } from './command-texts.ts';
import { type Command, Commands } from './commands.ts';
import { ErasureClaims } from './erasures.ts';
import type { Check } from './findings.ts';
import {
  type CommandRow,
  FILES,
  type Manifest,
  POPULATIONS,
  type ShownCommandRow,
  type TextCounts,
} from './format.ts';
import type { PackageFiles, VerifyHost } from './package-files.ts';
import { ShownPayloads, textsSay } from './payloads-shown.ts';
import { Populations, populationHeader, populationLine } from './populations.ts';
import { LineReader, TextCursor } from './readers.ts';
import { RecordReader, type Shared } from './record-reader.ts';
import { ReportTally } from './report-tally.ts';
import { parseObject, type Row, RowMatcher } from './row-matcher.ts';
import { isContext } from './selection.ts';

export interface ActivityChecks {
  readonly leaves: Check;
  readonly complete: Check;
  readonly activity: Check;
  readonly texts: Check;
  readonly authority: Check;
  readonly populations: Check;
}

/** Where an unanswered command stands: after all that were answered. */
const UNANSWERED = 2 ** 52;

/** Goes through the leaves of a package once, beside its activity, and then compares the populations. */
export class ActivityVerifier {
  readonly tally = new ReportTally();
  readonly populations = new Populations();
  readonly #files: PackageFiles;
  readonly #pause: VerifyHost['pause'];
  readonly #manifest: Manifest;
  readonly #checks: ActivityChecks;
  readonly #commands: Commands;
  readonly #rows: RowMatcher | null;
  readonly #csv: TextCursor | null;
  readonly #payloads: ShownPayloads;
  readonly #sequences = new Map<string, { name: string; next: number }>();
  readonly #lastUse = new Map<string, { at: number; leaf: number; id: string }>();
  readonly #ids = new RecordIds();
  readonly #records = new RecordReader();
  readonly #written = new CommandTexts();
  #csvOk = true;
  #leaves = 0;

  constructor({ files, pause }: VerifyHost, manifest: Manifest, checks: ActivityChecks) {
    this.#files = files;
    this.#pause = pause;
    this.#manifest = manifest;
    this.#checks = checks;
    const [ndjson, csv] = [FILES.commands, FILES.commandsCsv];
    this.#rows = this.#has(ndjson)
      ? new RowMatcher(files.open(ndjson), ndjson, checks.activity, closingLeaf)
      : null;
    this.#csv = this.#has(csv) ? new TextCursor(files.open(csv)) : null;
    if (this.#csv !== null) this.#expectCsv([COMMANDS_HEADER]);
    const claims = this.#claims();
    this.#payloads = new ShownPayloads(manifest.parameters.statements, (record, kind, commitment) =>
      claims.covers(record, kind, commitment),
    );
    this.#commands = new Commands({
      populations: this.populations,
      parameters: manifest.parameters,
      emit: (command) => this.#takeCommand(command),
      problem: (leaf, message) => checks.authority.problem(this.#leafFile(), message, { leaf }),
    });
  }

  /** What was shown of the texts, as far as it is what it may be. */
  get texts(): TextCounts {
    return this.#payloads.counts;
  }

  /** Reads all leaves. */
  async run(store: TileFiles, size: number, onLeaves: (count: number) => void): Promise<void> {
    let since = 0;
    for (const [index, entry] of this.#entries(store, size)) {
      this.#takeLeaf(index, entry, size);
      since += 1;
      if (since === 2048) {
        onLeaves(since);
        since = 0;
        await this.#pause();
      }
    }
    this.#commands.end();
    this.#rows?.end();
    this.#endCsv();
    this.#checks.texts.says(textsSay(this.texts));
    this.#endedLate();
    this.#checkCounts();
    this.#checkPopulations();
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

  #takeLeaf(index: number | null, entry: Buffer, size: number): void {
    const { leaves } = this.#checks;
    leaves.looked();
    this.#leaves += 1;
    try {
      const read = this.#records.read(entry);
      const { record } = read;
      if (record.v !== 1 || record.leaf !== index || index === null || index >= size) {
        leaves.problem(this.#leafFile(), 'The entry names another leaf than its own.', { leaf: index ?? -1 });
        return;
      }
      this.#countId(index, record);
      this.#countSequence(index, record);
      this.populations.take(index, record);
      this.#commands.take(index, read);
    } catch (error) {
      leaves.problem(this.#leafFile(), `The entry cannot be read as a record: ${(error as Error).message}`, {
        leaf: index ?? -1,
      });
    }
  }

  /** An id that comes twice is a record that was doubled, or one that poses as another. */
  #countId(leaf: number, { id }: LeafRecord): void {
    const { complete } = this.#checks;
    if (typeof id !== 'string') complete.problem(this.#leafFile(), 'The record has no id.', { leaf });
    else {
      const first = this.#ids.add(id, leaf);
      if (first === null) return;
      const message = `The record is in the log twice: leaf ${first} has the same id.`;
      complete.problem(this.#leafFile(), message, { leaf, record: id.slice(0, 64) });
    }
  }

  #countSequence(leaf: number, record: LeafRecord): void {
    const { complete } = this.#checks;
    const only = this.#manifest.parameters.principal;
    const { principal, principalSeq } = record;
    if (principal === undefined) {
      if (only !== null && !isContext(record)) {
        complete.problem(this.#leafFile(), 'The record has no place in a package about one principal.', {
          leaf,
          record: record.id,
        });
      }
      return;
    }
    complete.looked();
    if (only !== null && principal.id !== only.id) {
      complete.problem(this.#leafFile(), 'The record is of another principal.', { leaf, record: record.id });
      return;
    }
    const held = this.#sequences.get(principal.id) ?? { name: principal.name, next: 1 };
    if (principalSeq !== held.next) {
      complete.problem(
        this.#leafFile(),
        `Record ${principalSeq} of ${principal.name} comes where ${held.next} must come: one is missing, repeated or out of order.`,
        { leaf, record: record.id },
      );
    }
    this.#sequences.set(principal.id, { name: principal.name, next: (principalSeq ?? held.next) + 1 });
  }

  #takeCommand({ row, record, shared, selected }: Command): void {
    const { texts, authority } = this.#checks;
    const where = { leaf: row.leaf, record: row.id };
    authority.looked();
    for (const problem of authorityProblems(row, this.populations))
      authority.problem(FILES.commands, problem, where);
    if (row.grant !== null) {
      const at = microsOf(row.time);
      const last = this.#lastUse.get(row.grant);
      if (last === undefined || at > last.at) this.#lastUse.set(row.grant, { at, ...where, id: row.id });
    }
    if (!selected || this.#rows === null) return;
    const shown = this.#equalRow(row, shared) ?? this.#comparedRow(row);
    if (shown === null) return;
    for (const problem of this.#payloads.check(record, shown.payloads))
      texts.problem(FILES.commands, problem, where);
    texts.looked(Object.keys(record.payloads ?? {}).length);
    this.tally.add(shown, shared);
    this.#expectCsv(this.#written.line(row, shown.payloads, shared), row.leaf);
  }

  /** The row with the payloads that the package shows, where its text is what it must be; null where that is not certain. */
  #equalRow(row: CommandRow, shared: Shared | null): ShownCommandRow | null {
    const rest = this.#rows?.begins(this.#written.beginning(row, shared)) ?? null;
    if (rest === null) return null;
    const payloads = parseObject(rest.slice(0, -1));
    if (payloads !== null && rest === `${JSON.stringify(payloads)}}`)
      return { ...row, payloads } as ShownCommandRow;
    const where = { leaf: row.leaf, record: row.id };
    this.#checks.activity.problem(FILES.commands, 'The row is not written as Postern writes it.', where);
    return { ...row, payloads: payloads ?? {} } as ShownCommandRow;
  }

  /** The row as the package has it, after what differs in it was told; null where it is missing. */
  #comparedRow(row: CommandRow): ShownCommandRow | null {
    const { activity } = this.#checks;
    const where = { leaf: row.leaf, record: row.id };
    const expected = { key: closingLeaf(row as unknown as Row), ...where };
    const given = this.#rows?.match(expected) ?? null;
    if (given === null) return null;
    const { payloads } = given.row;
    // Without any, or where they are something else, the check of the texts says so.
    const there = typeof payloads === 'object' && payloads !== null ? payloads : {};
    const shown = { ...row, payloads: there } as ShownCommandRow;
    if (JSON.stringify(shown) !== given.text) {
      const before = activity.ok;
      this.#rows?.compare(given.row, shown as unknown as Row, expected);
      if (before && activity.ok)
        activity.problem(FILES.commands, 'The row is not written as Postern writes it.', where);
    }
    return shown;
  }

  #expectCsv(pieces: readonly string[], leaf?: number): void {
    if (this.#csv === null || !this.#csvOk || this.#csv.takes(pieces)) return;
    this.#csvOk = false;
    const what = leaf === undefined ? 'The heading' : `The line of leaf ${leaf}`;
    const where = leaf === undefined ? {} : { leaf };
    this.#checks.activity.problem(FILES.commandsCsv, `${what} is not what the log says.`, where);
  }

  #endCsv(): void {
    if (this.#csv === null) return;
    const { activity } = this.#checks;
    if (!this.#csv.end() && this.#csvOk)
      activity.problem(FILES.commandsCsv, 'The file has more in it than the activity.');
    if (!this.#csv.valid) activity.problem(FILES.commandsCsv, 'The file is not UTF-8 throughout.');
  }

  /** A grant may have been ended, in the log, only after a command that ran too late was read. */
  #endedLate(): void {
    for (const [id, { at, leaf, id: record }] of this.#lastUse) {
      const grant = this.populations.grant(id);
      if (grant !== undefined && grant.lastLeaf > leaf && endedBefore(grant, at)) {
        this.#checks.authority.problem(FILES.commands, 'The command ran after its grant had been ended.', {
          leaf,
          record,
        });
      }
    }
  }

  #checkCounts(): void {
    const { complete } = this.#checks;
    const counted = [...this.#sequences].map(([id, { name, next }]) => ({ id, name, records: next - 1 }));
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
      if (!this.#sequences.has(id)) {
        complete.problem(FILES.manifest, `The ${records} records of ${name} are not in the package.`, {
          record: id,
        });
      }
    }
    const { allowed, denied, unanswered } = this.tally;
    const counts = { leaves: this.#leaves, commands: allowed + denied, allowed, denied, unanswered };
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

  #checkPopulations(): void {
    const { populations: check } = this.#checks;
    for (const population of POPULATIONS) {
      const [ndjson, csv] = [`populations/${population}.ndjson`, `populations/${population}.csv`] as const;
      if (!this.#has(ndjson) || !this.#has(csv)) continue;
      const rows = new RowMatcher(this.#files.open(ndjson), ndjson, check, (row) => Number(row.leaf));
      const text = new TextCursor(this.#files.open(csv));
      let same = text.takes([populationHeader(population)]);
      for (const row of this.populations.rows(population)) {
        const where = { key: Number(row.leaf), leaf: Number(row.leaf), record: String(row.id) };
        const given = rows.match(where);
        if (given !== null && given.text !== JSON.stringify(row)) rows.compare(given.row, row, where);
        same &&= text.takes([populationLine(population, row)]);
      }
      rows.end();
      if (!text.end() || !text.valid || !same)
        check.problem(csv, 'The file is not what follows from the log.');
    }
    for (const { leaf, erasure, hold } of this.populations.breaches) {
      const message = `Texts were erased although the legal hold ${hold} was on them.`;
      check.problem('populations/erasures.ndjson', message, { leaf, record: erasure });
    }
    check.says('folded again from the change records');
  }

  /** The erasures as the package lists them; {@link #checkPopulations} compares the list with the leaves. */
  #claims(): ErasureClaims {
    const claims = new ErasureClaims();
    const path = 'populations/erasures.ndjson';
    if (!this.#has(path)) return claims;
    const lines = new LineReader(this.#files.open(path));
    for (let line = lines.next(); line !== null; line = lines.next()) {
      const row = parseObject(line.toString('utf8'));
      if (row !== null) claims.add(row);
    }
    lines.close();
    return claims;
  }

  #has(path: string): boolean {
    return this.#files.size(path) !== null;
  }

  #leafFile(): string {
    return this.#manifest.coverage === 'log' ? 'tlog/tile/entries' : FILES.leaves;
  }
}

/** Rows come in the order in which the log closed them. */
function closingLeaf(row: Row): number {
  if (typeof row.outcomeLeaf === 'number') return row.outcomeLeaf;
  return Number(row.leaf) + (row.decision === 'allow' ? UNANSWERED : 0);
}
