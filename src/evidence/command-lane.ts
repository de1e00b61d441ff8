import { microsOf } from '../activity/times.ts';
import type { Ref } from '../core/record.ts';
import type { RecordIds } from '../ledger/record-ids.ts';
import { type Authority, authorityOf, type Claim } from './authority.ts';
import { type CommandTexts, type Middle, sameAuthority } from './command-texts.ts';
import { type Commands, grantedBy, type Pending } from './commands.ts';
import { csvCell } from './csv.ts';
import {
  commitmentAt,
  EntryHead,
  ID_LENGTH,
  idAt,
  isAt,
  OutcomeEnd,
  TIME_LENGTH,
  timeAt,
} from './entry-scan.ts';
import { copied, type FullText, FullTexts } from './full-texts.ts';
import type { Populations } from './populations.ts';
import type { TextCursor } from './readers.ts';
import { LONGEST_IN_PARTS, type RecordReader, type Shared } from './record-reader.ts';
import type { ReportTally } from './report-tally.ts';
import type { RowMatcher } from './row-matcher.ts';
import type { Sequence } from './verify-leaves.ts';

/**
 * The short way through the leaves of a command that was let through and answered, as most leaves of a log are: from the text of
 * its entries straight to its row and its line, without anything in between that would only be made to be compared. It takes
 * what is certain to be as it must be, all of it or nothing. What it does not take goes the long way, which alone says what
 * is wrong. Both ways hold the same; that they do is tested against each other.
 */

/** What the lane shares with the long way. */
export interface LaneParts {
  readonly populations: Populations;
  readonly commands: Commands;
  readonly records: RecordReader;
  readonly written: CommandTexts;
  readonly tally: ReportTally;
  readonly ids: RecordIds;
  readonly sequences: Map<string, Sequence>;
  readonly rows: RowMatcher;
  readonly csv: TextCursor;
}

/** What came of a leaf that was taken. */
export interface Taken {
  /** The leaf before it that has the same id, if any. */
  readonly doubled: number | null;
  readonly id: string;
  readonly done: Done | null;
}

/** A command that is done with. */
export interface Done {
  readonly leaf: number;
  readonly id: string;
  readonly grant: string;
  /** Microseconds. */
  readonly at: number;
  /** How many texts it has. */
  readonly texts: number;
}

interface AnyKind {
  /** What leaves of it have in common, word for word. */
  readonly list: string;
  /** The kind that came after it last time. */
  next: Kind | null;
}

/** What intents have in common, and what follows from it. */
interface IntentKind extends AnyKind {
  readonly what: 'intent';
  readonly shared: Shared;
  readonly principal: Ref;
  readonly claim: Claim;
  /** What outcomes have in common that were found to fit. */
  answer: OutcomeKind | null;
  held: Held | null;
}

interface OutcomeKind extends AnyKind {
  readonly what: 'outcome';
  readonly principal: Ref;
  readonly session: string;
}

/** A leaf that goes the long way. */
interface OtherKind extends AnyKind {
  readonly what: 'other';
}

type Kind = IntentKind | OutcomeKind | OtherKind;

/** How commands of a kind are written and on what authority they are, as long as nothing changes. */
interface Held {
  readonly version: number;
  readonly authority: Authority;
  readonly owner: Ref | null;
  readonly middle: Middle;
}

/** An intent that waits for its outcome. */
interface Waiting {
  readonly kind: IntentKind;
  readonly leaf: number;
  readonly owner: Ref | null;
  readonly text: string;
  readonly leafTo: number;
  readonly idMember: number;
  readonly id: number;
  readonly time: number;
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

const KINDS = 4096;
const RESULTS = 256;
const ASCII = /^[ -~]*$/;
const OUTCOME = '"type":"command.outcome",';
const COMMA = 0x2c;
const BRACE = 0x7d;
/** Up to so many characters are compared one by one. */
const SHORT = 16;
/** By character code: 1 where times have it. */
const TIME = new Uint8Array(0x10000);
for (const character of '0123456789TZ:.-') TIME[character.charCodeAt(0)] = 1;

export class CommandLane {
  readonly #parts: LaneParts;
  readonly #head = new EntryHead();
  readonly #end = new OutcomeEnd();
  readonly #texts = new FullTexts();
  readonly #waiting = new Map<string, Waiting>();
  readonly #kinds = new Map<string, Kind>();
  /** The cells of status and code, by how they stand in the entry. */
  readonly #results = new Map<string, string>();
  #lastIntent: Kind = { what: 'other', list: '', next: null };
  #lastOutcome: Kind = this.#lastIntent;
  /** How long what outcomes have in common was last. */
  #length = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Takes a leaf where it is certain that nothing is wrong with it; null where it has to go the long way. */
  take(leaf: number, text: string): Taken | null {
    const head = this.#head;
    if (text.length > LONGEST_IN_PARTS || !head.read(text) || head.leaf !== leaf) return null;
    return isAt(text, head.to, OUTCOME) ? this.#takeOutcome(text) : this.#takeIntent(text);
  }

  /** Hands over the intent of that id, if it waits here, to the long way. */
  handOver(id: unknown): void {
    const waiting = typeof id === 'string' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return;
    this.#waiting.delete(id as string);
    this.#parts.commands.hold(this.#pending(waiting));
  }

  /** Hands over all intents that wait. */
  handOverAll(): void {
    for (const id of [...this.#waiting.keys()]) this.handOver(id);
  }

  #pending({ text, leaf, owner }: Waiting): Pending {
    const { record, shared } = this.#parts.records.read(Buffer.from(text, 'latin1'));
    return { record, shared, leaf, owner, outcome: null };
  }

  #takeIntent(text: string): Taken | null {
    const head = this.#head;
    if (text.charCodeAt(text.length - 1) !== BRACE) return null;
    const kind = this.#kindOf(text.slice(head.to, -1), this.#lastIntent);
    this.#lastIntent = kind;
    if (kind.what !== 'intent') return null;
    const sequence = this.#sequenceOf(kind.principal);
    if (sequence === null) return null;
    const { commands, populations, ids } = this.#parts;
    const id = idAt(text, head.id);
    // Two intents with one id are told the long way.
    if (this.#waiting.has(id) || (commands.open.size > 0 && commands.open.has(id))) return null;
    if (!ids.read(text, head.id) || !isTime(text, head.time)) return null;
    const { held } = kind;
    const waiting: Waiting = {
      kind,
      leaf: head.leaf,
      owner: held?.version === populations.version ? held.owner : populations.ownerOf(kind.principal.id),
      text,
      leafTo: head.leafTo,
      idMember: head.idMember,
      id: head.id,
      time: head.time,
      to: head.to,
      statement: head.statement.from === 0 ? null : { ...head.statement },
      parameters: head.parameters.from === 0 ? null : { ...head.parameters },
    };
    sequence.next += 1;
    this.#waiting.set(id, waiting);
    return { doubled: ids.addRead(head.leaf), id, done: null };
  }

  #takeOutcome(text: string): Taken | null {
    const head = this.#head;
    if (head.statement.from !== 0) return null;
    const kind = this.#outcomeKindOf(text);
    if (kind === null) return null;
    const intent = idAt(text, this.#end.intent);
    const waiting = this.#waiting.get(intent);
    if (waiting === undefined) return null;
    const { ids } = this.#parts;
    if (!ids.read(text, head.id) || !isTime(text, head.time)) return null;
    const sequence = this.#sequenceOf(kind.principal);
    if (sequence === null || !answers(waiting.kind, kind)) return null;
    const held = this.#heldOf(waiting.kind);
    if (held === null || !sameOwner(held.owner, waiting.owner)) return null;
    const time = timeAt(waiting.text, waiting.time);
    const at = microsOrNull(time);
    const { fromLeaf, from, to } = held.authority;
    if (at === null || waiting.leaf < fromLeaf || at < from || at >= to) return null;
    if (!this.#takeRow(waiting, held.middle, text)) return null;
    sequence.next += 1;
    this.#waiting.delete(intent);
    const { grant } = waiting.kind.claim;
    const status = text.slice(this.#end.status, this.#end.statusTo);
    this.#parts.tally.addLike(waiting.kind.shared, grant, time, status, this.#end.rows);
    const texts = (waiting.statement === null ? 0 : 1) + (waiting.parameters === null ? 0 : 1);
    const done = { leaf: waiting.leaf, id: intent, grant, at, texts };
    return { doubled: ids.addRead(head.leaf), id: idAt(text, head.id), done };
  }

  /** Whether row and line of a command come next and are what they must be; then they are taken. */
  #takeRow(waiting: Waiting, middle: Middle, outcome: string): boolean {
    const { rows, csv } = this.#parts;
    const cursor = rows.cursor;
    if (cursor === null) return false;
    const row = cursor.text;
    const from = cursor.at;
    let at = this.#endOfBeginning(row, from, waiting, middle, outcome);
    if (at < 0) return false;
    let statement: FullText | null = null;
    let parameters: FullText | null = null;
    if (waiting.statement !== null) {
      statement = this.#textAt(row, at, waiting, waiting.statement, true);
      if (statement === null) return false;
      at += waiting.statement.to - waiting.statement.from + statement.rest.length;
    }
    if (waiting.parameters !== null) {
      if (row.charCodeAt(at) !== COMMA) return false;
      at += 1;
      parameters = this.#textAt(row, at, waiting, waiting.parameters, false);
      if (parameters === null) return false;
      at += waiting.parameters.to - waiting.parameters.from + parameters.rest.length;
    }
    if (!isAt(row, at, '}}\n')) return false;
    const line = csv.text;
    const end = this.#endOfLine(line, csv.at, waiting, middle, outcome, statement, parameters);
    if (end < 0) return false;
    csv.skip(end - csv.at);
    rows.took(at + 3 - from);
    return true;
  }

  /** Where the payloads of a row begin, where all before is what it must be; else -1. */
  #endOfBeginning(row: string, from: number, waiting: Waiting, middle: Middle, outcome: string): number {
    const { text } = waiting;
    let at = skip(row, from, '{"leaf":');
    at = skipPart(row, at, text, EntryHead.leafFrom, waiting.leafTo);
    at = skip(row, at, ',"outcomeLeaf":');
    at = skipPart(row, at, outcome, EntryHead.leafFrom, this.#head.leafTo);
    at = skipOne(row, at, COMMA);
    // Id and time, as they stand in the entry.
    at = skipPart(row, at, text, waiting.idMember, waiting.to);
    at = skip(row, at, middle.json);
    at = skipPart(row, at, outcome, this.#end.result, this.#end.durationTo);
    return skip(row, at, ',"payloads":{');
  }

  #textAt(row: string, at: number, { text }: Waiting, place: Place, again: boolean): FullText | null {
    const rest = skipPart(row, at, text, place.from, place.to);
    if (rest < 0) return null;
    return this.#texts.read(row, rest, commitmentAt(text, place.commitment), place.bytes, again);
  }

  /** Where the line of a command ends, where it is what it must be; else -1. */
  #endOfLine(
    line: string,
    from: number,
    waiting: Waiting,
    middle: Middle,
    outcome: string,
    statement: FullText | null,
    parameters: FullText | null,
  ): number {
    const { text, id, time } = waiting;
    const end = this.#end;
    let at = skipPart(line, from, text, EntryHead.leafFrom, waiting.leafTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, outcome, EntryHead.leafFrom, this.#head.leafTo);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, text, id, id + ID_LENGTH);
    at = skipOne(line, at, COMMA);
    at = skipPart(line, at, text, time, time + TIME_LENGTH);
    at = skipOne(line, at, COMMA);
    at = skip(line, at, middle.common);
    at = skip(line, at, this.#resultOf(outcome));
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
  #resultOf(outcome: string): string {
    const { status, statusTo, code, codeTo } = this.#end;
    const key = outcome.slice(status, codeTo);
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const cells = `${csvCell(outcome.slice(status, statusTo))},${csvCell(outcome.slice(code, codeTo))},`;
    if (this.#results.size >= RESULTS) this.#results.clear();
    this.#results.set(key, cells);
    return cells;
  }

  /** The numbers of a principal, where this record has the one that must come; else null. */
  #sequenceOf({ id, name }: Ref): Sequence | null {
    const sequence = this.#parts.sequences.get(id);
    return sequence?.next === this.#head.principalSeq && sequence.name === name ? sequence : null;
  }

  /** What an outcome has in common with others, and where its end is. */
  #outcomeKindOf(text: string): OutcomeKind | null {
    const from = this.#head.to;
    if (!this.#end.read(text, from + this.#length)) {
      const at = text.lastIndexOf(',"intent":"');
      if (at < from || !this.#end.read(text, at)) return null;
      this.#length = at - from;
    }
    const kind = this.#kindOf(text.slice(from, from + this.#length), this.#lastOutcome);
    this.#lastOutcome = kind;
    return kind.what === 'outcome' ? kind : null;
  }

  /** @param before the kind of the last leaf of this sort, after which this one is likely what came last time */
  #kindOf(list: string, before: Kind): Kind {
    const kind = before.next?.list === list ? before.next : this.#findKind(list);
    before.next = kind;
    return kind;
  }

  #findKind(list: string): Kind {
    const known = this.#kinds.get(list);
    if (known !== undefined) return known;
    // What is kept has to be a copy: a piece of a text keeps all of it.
    const own = copied(list);
    const shared = ASCII.test(own) ? this.#parts.records.shared(own) : null;
    const kind: Kind = shared === null ? { what: 'other', list: own, next: null } : kindOf(own, shared);
    if (this.#kinds.size >= KINDS) this.#kinds.clear();
    this.#kinds.set(own, kind);
    return kind;
  }

  #heldOf(kind: IntentKind): Held | null {
    const { populations, tally, written } = this.#parts;
    const { held, claim, shared, principal } = kind;
    const { version } = populations;
    if (held?.version === version && populations.session(claim.session) === held.authority.session)
      return held;
    const middle = written.known(shared);
    const authority = middle === undefined ? null : authorityOf(claim, populations);
    kind.held = null;
    if (middle === undefined || authority === null || !tally.hasLike(shared)) return null;
    const owner = populations.ownerOf(principal.id);
    if (!sameAuthority(middle.row, { owner, ...grantedBy(authority.grant) })) return null;
    kind.held = { version, authority, owner, middle };
    return kind.held;
  }
}

function kindOf(list: string, shared: Shared): Kind {
  const { type, principal, session, grant, resource, change } = shared.members;
  const named = refOf(principal);
  const system = refOf(resource);
  if (named === null || typeof session !== 'string' || change !== undefined)
    return { what: 'other', list, next: null };
  if (type === 'command.outcome') return { what: 'outcome', list, principal: named, session, next: null };
  if (type !== 'command.intent' || typeof grant !== 'string' || system === null)
    return { what: 'other', list, next: null };
  const claim = { principal: named.id, session, grant, resource: system.id };
  return { what: 'intent', list, shared, principal: named, claim, answer: null, held: null, next: null };
}

function refOf(value: unknown): Ref | null {
  const { id, name } = (value ?? {}) as Partial<Ref>;
  return typeof id === 'string' && typeof name === 'string' ? { id, name } : null;
}

/** Whether an outcome is of the principal and session of its intent. */
function answers(intent: IntentKind, outcome: OutcomeKind): boolean {
  if (intent.answer === outcome) return true;
  const { principal, session } = intent.claim;
  if (outcome.principal.id !== principal || outcome.session !== session) return false;
  intent.answer = outcome;
  return true;
}

function sameOwner(a: Ref | null, b: Ref | null): boolean {
  return a === b || (a?.id === b?.id && a?.name === b?.name);
}

/** Whether there are no other characters than those of a time. */
function isTime(text: string, at: number): boolean {
  for (let i = at; i < at + TIME_LENGTH; i++) if (TIME[text.charCodeAt(i)] !== 1) return false;
  return true;
}

function microsOrNull(time: string): number | null {
  try {
    return microsOf(time);
  } catch {
    return null; // The long way says so.
  }
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
