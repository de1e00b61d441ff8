import { microsOf } from '../activity/times.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { RecordIds } from '../ledger/record-ids.ts';
import { CommandSummary } from './assess/command-summary.ts';
import { authorityProblems } from './authority.ts';
import { CommandLane, type Taken } from './command-lane.ts';
import { COMMANDS_HEADER, CommandTexts } from './command-texts.ts';
import { type Command, Commands, inOrder, type Pending } from './commands.ts';
import { ErasureClaims } from './erasures.ts';
import type { Check } from './findings.ts';
import {
  type CommandRow,
  FILES,
  type Manifest,
  type PayloadsShown,
  type ShownCommandRow,
  type TextCounts,
} from './format.ts';
import type { PackageFiles, Span } from './package-files.ts';
import { readPayloads } from './payload-texts.ts';
import { ShownPayloads } from './payloads-shown.ts';
import type { Populations } from './populations.ts';
import { LineReader, TextCursor } from './readers.ts';
import { RecordReader, type Shared } from './record-reader.ts';
import { ReportTally } from './report-tally.ts';
import { parseObject, type Row, RowMatcher } from './row-matcher.ts';
import { isContext } from './selection.ts';

export interface LeavesChecks {
  readonly leaves: Check;
  readonly complete: Check;
  readonly activity: Check;
  readonly texts: Check;
  readonly authority: Check;
}

/** The records of one principal, as far as they were seen. */
export interface Sequence {
  name: string;
  /** `principalSeq` of the first, and of the one that must come next. */
  readonly first: number;
  next: number;
}

/** The command that ran last under a grant. */
export interface LastUse {
  /** Microseconds. */
  readonly at: number;
  readonly leaf: number;
  readonly id: string;
}

/** Which part of a log is looked at, where it is not all of it at once. */
export interface Part {
  /** How many leaves it has. */
  readonly leaves: number;
  /** Where its rows are. */
  readonly rows: Span;
  readonly csv: Span;
  /** An intent of before this part that is still open. */
  readonly earlier: (id: string) => Pending | undefined;
  readonly onRecord: (leaf: number, record: LeafRecord) => void;
}

/** Where an unanswered command stands: after all that were answered. */
const UNANSWERED = 2 ** 52;

/** Goes through leaves in their order, beside the rows that must follow from them. */
export class LeavesVerifier {
  readonly tally: ReportTally;
  /** Empty where the package has no assessment. */
  readonly summary = new CommandSummary();
  readonly #assessed: boolean;
  /** Told of each record that was read as a whole. */
  onRecord: Part['onRecord'];
  readonly sequences = new Map<string, Sequence>();
  readonly lastUse = new Map<string, LastUse>();
  readonly ids: RecordIds;
  leaves = 0;
  readonly #manifest: Manifest;
  readonly #checks: LeavesChecks;
  readonly #part: Part | null;
  readonly #populations: Populations;
  readonly #commands: Commands;
  readonly #rows: RowMatcher | null;
  readonly #csv: TextCursor | null;
  readonly #payloads: ShownPayloads;
  readonly #records = new RecordReader();
  readonly #written = new CommandTexts();
  /** Null where rows are of one principal or resource, or show texts otherwise than in full. */
  readonly #lane: CommandLane | null;
  readonly #leafFile: string;
  #csvOk = true;

  /** @param populations as of the first leaf that will be taken; they go on with the leaves */
  constructor(
    files: PackageFiles,
    manifest: Manifest,
    populations: Populations,
    checks: LeavesChecks,
    part: Part | null = null,
    short = true,
  ) {
    this.ids = part === null ? new RecordIds() : RecordIds.for(part.leaves);
    this.#manifest = manifest;
    this.#checks = checks;
    this.#part = part;
    this.#assessed = manifest.parameters.framework !== undefined;
    this.onRecord = part?.onRecord ?? (() => undefined);
    this.#populations = populations;
    this.tally = new ReportTally(part !== null);
    this.#leafFile = manifest.coverage === 'log' ? 'tlog/tile/entries' : FILES.leaves;
    const [ndjson, csv] = [FILES.commands, FILES.commandsCsv];
    this.#rows =
      files.size(ndjson) === null
        ? null
        : new RowMatcher(files.open(ndjson, part?.rows), ndjson, checks.activity, closingLeaf);
    this.#csv = files.size(csv) === null ? null : new TextCursor(files.open(csv, part?.csv));
    if ((part?.csv.from ?? 0) === 0) this.#expectCsv([COMMANDS_HEADER]);
    const claims = claimsOf(files);
    this.#payloads = new ShownPayloads(manifest.parameters.statements, (record, kind, commitment) =>
      claims.covers(record, kind, commitment),
    );
    this.#commands = new Commands({
      populations,
      parameters: manifest.parameters,
      emit: (command) => this.#takeCommand(command),
      problem: (leaf, message) => checks.authority.problem(this.#leafFile, message, { leaf }),
      earlier: part?.earlier,
    });
    this.#lane = short ? this.#shortWay() : null;
  }

  #shortWay(): CommandLane | null {
    const { principal, resource, since, until, statements } = this.#manifest.parameters;
    if (
      principal !== null ||
      resource !== null ||
      statements !== 'full' ||
      this.#rows === null ||
      this.#csv === null
    )
      return null;
    return new CommandLane({
      populations: this.#populations,
      commands: this.#commands,
      records: this.#records,
      written: this.#written,
      tally: this.tally,
      summary: this.#assessed ? this.summary : null,
      ids: this.ids,
      sequences: this.sequences,
      rows: this.#rows,
      csv: this.#csv,
      from: since === null ? Number.NEGATIVE_INFINITY : microsOf(since),
      to: until === null ? Number.POSITIVE_INFINITY : microsOf(until),
    });
  }

  /** What was shown of the texts, as far as it is what it may be. */
  get texts(): TextCounts {
    return this.#payloads.counts;
  }

  /** Intents that wait for their outcome, in the order of the log. */
  get open(): readonly Pending[] {
    this.#lane?.handOverAll();
    return inOrder(this.#commands.open);
  }

  /** Takes an intent that nothing in the log answers. */
  unanswered(pending: Pending): void {
    this.#commands.close(pending);
  }

  /** After the last leaf of the log: what is still open is unanswered. */
  end(): void {
    this.#lane?.handOverAll();
    this.#commands.end();
    this.endPart();
  }

  /** After the last leaf of a part: nothing of it may be left. */
  endPart(): void {
    this.#rows?.end();
    this.#endCsv();
  }

  /**
   * Takes a leaf of the log by its text, where that is certain to be as it must be; else nothing is done.
   *
   * @param text one character for each byte
   */
  takeShort(index: number, text: string): boolean {
    const taken = this.#lane?.take(index, text) ?? null;
    if (taken === null) return false;
    this.#checks.leaves.looked();
    this.leaves += 1;
    this.#tookShort(index, taken);
    return true;
  }

  /** Takes the entry of a leaf; the index is null where it is not known. */
  take(index: number | null, entry: Buffer, size: number): void {
    const { leaves } = this.#checks;
    leaves.looked();
    this.leaves += 1;
    try {
      const read = this.#records.read(entry);
      const { record } = read;
      if (record.v !== 1 || record.leaf !== index || index === null || index >= size) {
        leaves.problem(this.#leafFile, 'The entry names another leaf than its own.', { leaf: index ?? -1 });
        return;
      }
      this.#countId(index, record);
      this.#countSequence(index, record);
      this.#populations.take(index, record);
      this.#lane?.handOver(record.type === 'command.outcome' ? record.intent : record.id);
      this.#commands.take(index, read);
      this.onRecord(index, record);
    } catch (error) {
      leaves.problem(this.#leafFile, `The entry cannot be read as a record: ${(error as Error).message}`, {
        leaf: index ?? -1,
      });
    }
  }

  /** An id that comes twice is a record that was doubled, or one that poses as another. */
  #countId(leaf: number, { id }: LeafRecord): void {
    const { complete } = this.#checks;
    if (typeof id !== 'string') complete.problem(this.#leafFile, 'The record has no id.', { leaf });
    else {
      const first = this.ids.add(id, leaf);
      if (first !== null) this.#doubled(leaf, id, first);
    }
  }

  #doubled(leaf: number, id: string, first: number): void {
    const message = `The record is in the log twice: leaf ${first} has the same id.`;
    this.#checks.complete.problem(this.#leafFile, message, { leaf, record: id.slice(0, 64) });
  }

  /** Counts a leaf that went the short way. */
  #tookShort(leaf: number, { doubled, id, done }: Taken): void {
    const { complete, texts, authority } = this.#checks;
    complete.looked();
    if (doubled !== null) this.#doubled(leaf, id, doubled);
    if (done === null) return;
    authority.looked();
    texts.looked(done.texts);
    this.#payloads.fitting(done.texts);
    this.#used(done.grant, done);
  }

  #used(grant: string, { at, leaf, id }: Pick<LastUse, 'at' | 'leaf' | 'id'>): void {
    const last = this.lastUse.get(grant);
    if (last === undefined || at > last.at) this.lastUse.set(grant, { at, leaf, id });
  }

  #countSequence(leaf: number, record: LeafRecord): void {
    const { complete } = this.#checks;
    const only = this.#manifest.parameters.principal;
    const { principal, principalSeq } = record;
    if (principal === undefined) {
      if (only !== null && !isContext(record)) {
        complete.problem(this.#leafFile, 'The record has no place in a package about one principal.', {
          leaf,
          record: record.id,
        });
      }
      return;
    }
    complete.looked();
    if (only !== null && principal.id !== only.id) {
      complete.problem(this.#leafFile, 'The record is of another principal.', { leaf, record: record.id });
      return;
    }
    const held = this.sequences.get(principal.id) ?? this.#begun(principal.name, principalSeq);
    if (principalSeq !== held.next) {
      complete.problem(
        this.#leafFile,
        `Record ${principalSeq} of ${principal.name} comes where ${held.next} must come: one is missing, repeated or out of order.`,
        { leaf, record: record.id },
      );
    }
    held.name = principal.name;
    held.next = (principalSeq ?? held.next) + 1;
    this.sequences.set(principal.id, held);
  }

  /** A sequence of which this is the first record that is seen. In a part of the log it may be any: that it fits is found when parts are joined. */
  #begun(name: string, principalSeq: number | undefined): Sequence {
    const first = this.#part === null ? 1 : (principalSeq ?? 1);
    return { name, first, next: first };
  }

  #takeCommand({ row, record, shared, selected }: Command): void {
    const { texts, authority } = this.#checks;
    const where = { leaf: row.leaf, record: row.id };
    authority.looked();
    for (const problem of authorityProblems(row, this.#populations))
      authority.problem(FILES.commands, problem, where);
    if (row.grant !== null) {
      this.#used(row.grant, { at: microsOf(row.time), leaf: row.leaf, id: row.id });
    }
    if (!selected || this.#rows === null) return;
    const payloads = this.#equalRow(row, shared) ?? this.#comparedRow(row);
    if (payloads === null) return;
    for (const problem of this.#payloads.check(record, payloads))
      texts.problem(FILES.commands, problem, where);
    texts.looked(Object.keys(record.payloads ?? {}).length);
    this.tally.add(row, payloads, shared);
    if (this.#assessed) this.summary.add(row, shared);
    this.#expectCsv(this.#written.line(row, payloads, shared), row.leaf);
  }

  /** The payloads that the package shows of a row, where its text is what it must be; null where that is not certain. */
  #equalRow(row: CommandRow, shared: Shared | null): PayloadsShown | null {
    const rest = this.#rows?.begins(this.#written.beginning(row, shared)) ?? null;
    if (rest === null) return null;
    const plain = shared === null ? null : readPayloads(rest);
    if (plain !== null) return plain;
    const payloads = parseObject(rest.slice(0, -1));
    if (payloads !== null && rest === `${JSON.stringify(payloads)}}`) return payloads as PayloadsShown;
    const where = { leaf: row.leaf, record: row.id };
    this.#checks.activity.problem(FILES.commands, 'The row is not written as Postern writes it.', where);
    return (payloads ?? {}) as PayloadsShown;
  }

  /** The payloads of the row as the package has it, after what differs in it was told; null where it is missing. */
  #comparedRow(row: CommandRow): PayloadsShown | null {
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
    return shown.payloads;
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
}

/** The erasures as the package lists them; they are compared with the leaves as every population is. */
function claimsOf(files: PackageFiles): ErasureClaims {
  const claims = new ErasureClaims();
  const path = 'populations/erasures.ndjson';
  if (files.size(path) === null) return claims;
  const lines = new LineReader(files.open(path));
  for (let line = lines.next(); line !== null; line = lines.next()) {
    const row = parseObject(line.toString('utf8'));
    if (row !== null) claims.add(row);
  }
  lines.close();
  return claims;
}

/** Rows come in the order in which the log closed them. */
function closingLeaf(row: Row): number {
  if (typeof row.outcomeLeaf === 'number') return row.outcomeLeaf;
  return Number(row.leaf) + (row.decision === 'allow' ? UNANSWERED : 0);
}
