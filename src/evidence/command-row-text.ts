import type { Middle } from './command-texts.ts';
import { csvCell } from './csv.ts';
import { commitmentAt, EntryHead, ID_LENGTH, isAt, type OutcomeEnd, TIME_LENGTH } from './entry-scan.ts';
import { type FullText, FullTexts } from './full-texts.ts';

/** The entry of an intent, and where its parts are. */
export interface IntentEntry {
  readonly text: string;
  readonly leafTo: number;
  readonly idMember: number;
  readonly id: number;
  readonly time: number;
  /** Behind the time, with its comma. */
  readonly to: number;
  readonly statement: Place | null;
  readonly parameters: Place | null;
}

interface Place {
  readonly from: number;
  readonly commitment: number;
  readonly to: number;
  readonly bytes: number;
}

/** The entry of an outcome, and where its parts are. */
export interface OutcomeEntry {
  readonly text: string;
  readonly leafTo: number;
  readonly end: OutcomeEnd;
}

/** The texts that a row shows, and where the row ends. */
export interface RowTexts {
  readonly statement: FullText | null;
  readonly parameters: FullText | null;
  readonly to: number;
}

const RESULTS = 256;
const COMMA = 0x2c;
/** Up to so many characters are compared one by one. */
const SHORT = 16;

/** Holds rows and lines of commands, as they are written, against the entries that they follow from. */
export class CommandRowTexts {
  readonly #texts = new FullTexts();
  /** The cells of status and code, by how they stand in the entry. */
  readonly #results = new Map<string, string>();

  /** The texts that a row shows, where all of it is what it must be and they fit; else null. */
  row(
    row: string,
    from: number,
    intent: IntentEntry,
    middle: Middle,
    outcome: OutcomeEntry,
  ): RowTexts | null {
    let at = endOfBeginning(row, from, intent, middle, outcome);
    if (at < 0) return null;
    let statement: FullText | null = null;
    let parameters: FullText | null = null;
    if (intent.statement !== null) {
      statement = this.#textAt(row, at, intent.text, intent.statement, true);
      if (statement === null) return null;
      at += intent.statement.to - intent.statement.from + statement.rest.length;
    }
    if (intent.parameters !== null) {
      at = skipOne(row, at, COMMA);
      parameters = at < 0 ? null : this.#textAt(row, at, intent.text, intent.parameters, false);
      if (parameters === null) return null;
      at += intent.parameters.to - intent.parameters.from + parameters.rest.length;
    }
    const to = skip(row, at, '}}\n');
    return to < 0 ? null : { statement, parameters, to };
  }

  #textAt(row: string, at: number, entry: string, place: Place, again: boolean): FullText | null {
    const rest = skipPart(row, at, entry, place.from, place.to);
    if (rest < 0) return null;
    return this.#texts.read(row, rest, commitmentAt(entry, place.commitment), place.bytes, again);
  }

  /** Where the line of a command ends, where it is what it must be; else -1. */
  line(
    line: string,
    from: number,
    { text, leafTo, id, time }: IntentEntry,
    middle: Middle,
    { text: outcome, leafTo: outcomeLeafTo, end }: OutcomeEntry,
    { statement, parameters }: RowTexts,
  ): number {
    let at = skipPart(line, from, text, EntryHead.leafFrom, leafTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, outcome, EntryHead.leafFrom, outcomeLeafTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, text, id, id + ID_LENGTH);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, text, time, time + TIME_LENGTH);
    at = skipOne(line, at, COMMA);
    at = skip(line, at, middle.common);
    at = skip(line, at, this.#resultOf(outcome, end));
    at = skipPart(line, at, outcome, end.rowsFrom, end.rowsTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, outcome, end.bytesFrom, end.bytesTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, outcome, end.durationFrom, end.durationTo);
    at = skipOne(line, at, COMMA);
    at = skip(line, at, middle.end);
    if (statement !== null) at = skip(line, at, statement.cell);
    at = skipOne(line, at, COMMA);
    if (parameters !== null) at = skip(line, at, parameters.cell);
    return skip(line, at, '\r\n');
  }

  /** The cells of status and code. */
  #resultOf(outcome: string, { status, statusTo, code, codeTo }: OutcomeEnd): string {
    const key = outcome.slice(status, codeTo);
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const cells = `${csvCell(outcome.slice(status, statusTo))},${csvCell(outcome.slice(code, codeTo))},`;
    if (this.#results.size >= RESULTS) this.#results.clear();
    this.#results.set(key, cells);
    return cells;
  }
}

/** Where the payloads of a row begin, where all before is what it must be; else -1. */
function endOfBeginning(
  row: string,
  from: number,
  { text, leafTo, idMember, to }: IntentEntry,
  middle: Middle,
  outcome: OutcomeEntry,
): number {
  let at = skip(row, from, '{"leaf":');
  at = skipPart(row, at, text, EntryHead.leafFrom, leafTo);
  at = skip(row, at, ',"outcomeLeaf":');
  at = skipPart(row, at, outcome.text, EntryHead.leafFrom, outcome.leafTo);
  at = skipOne(row, at, COMMA);
  // Id and time, as they stand in the entry; so does what came of the command.
  at = skipPart(row, at, text, idMember, to);
  at = skip(row, at, middle.json);
  at = skipPart(row, at, outcome.text, outcome.end.result, outcome.end.durationTo);
  return skip(row, at, ',"payloads":{');
}

/** Behind a piece where it stands at a place, which is -1 where something before did not; else -1. */
function skip(text: string, at: number, piece: string): number {
  return at >= 0 && isAt(text, at, piece) ? at + piece.length : -1;
}

/** {@link skip} of a single character. */
function skipOne(text: string, at: number, code: number): number {
  return at >= 0 && text.charCodeAt(at) === code ? at + 1 : -1;
}

/** {@link skip} of a part of another text. */
function skipPart(text: string, at: number, of: string, from: number, to: number): number {
  if (at < 0) return -1;
  const end = at + to - from;
  if (to - from > SHORT) return text.slice(at, end) === of.slice(from, to) ? end : -1;
  // Numbers: that is less than making two texts to compare.
  for (let i = from, j = at; i < to; i++, j++) if (text.charCodeAt(j) !== of.charCodeAt(i)) return -1;
  return end;
}
