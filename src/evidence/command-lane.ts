import { microsOf } from '../activity/times.ts';
import type { Ref } from '../core/record.ts';
import type { RecordIds } from '../ledger/record-ids.ts';
import type { CommandSummary } from './assess/command-summary.ts';
import { type Authority, authorityOf } from './authority.ts';
import { CommandRowTexts, type IntentEntry, type OutcomeEntry } from './command-row-text.ts';
import { type CommandTexts, type Middle, sameAuthority } from './command-texts.ts';
import { type Commands, grantedBy, type Pending } from './commands.ts';
import { EntryHead, idAt, isAt, OutcomeEnd, type PayloadPlace, TIME_LENGTH, timeAt } from './entry-scan.ts';
import { type Held, type IntentKind, LeafKinds, type OutcomeKind, type Outside } from './leaf-kinds.ts';
import type { Populations } from './populations.ts';
import type { TextCursor } from './readers.ts';
import { LONGEST_IN_PARTS, type RecordReader } from './record-reader.ts';
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
  /** Null where the package has no assessment. */
  readonly summary: CommandSummary | null;
  readonly ids: RecordIds;
  readonly sequences: Map<string, Sequence>;
  readonly rows: RowMatcher;
  readonly csv: TextCursor;
  /** Microseconds: commands from then, up to then, have rows; others do not. */
  readonly from: number;
  readonly to: number;
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

/** An intent that waits for its outcome. */
interface Waiting extends IntentEntry {
  readonly kind: IntentKind;
  readonly leaf: number;
  readonly owner: Ref | null;
}

const OUTCOME = '"type":"command.outcome",';
const BRACE = 0x7d;
/** By character code: 1 where times have it. */
const TIME = new Uint8Array(0x10000);
for (const character of '0123456789TZ:.-') TIME[character.charCodeAt(0)] = 1;

export class CommandLane {
  readonly #parts: LaneParts;
  readonly #head = new EntryHead();
  readonly #end = new OutcomeEnd();
  readonly #texts = new CommandRowTexts();
  readonly #waiting = new Map<string, Waiting>();
  readonly #intents: LeafKinds;
  readonly #outcomes: LeafKinds;
  /** How long what outcomes have in common was last. */
  #length = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#intents = new LeafKinds(parts.records);
    this.#outcomes = new LeafKinds(parts.records);
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
    const kind = this.#intents.of(text.slice(head.to, -1));
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
      statement: placeOf(head.statement),
      parameters: placeOf(head.parameters),
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
    const time = timeAt(waiting.text, waiting.time);
    const at = microsOrNull(time);
    if (at === null) return null;
    if (at < this.#parts.from || at >= this.#parts.to)
      return this.#takeOutside(waiting, sequence, intent, text, at);
    const held = this.#heldOf(waiting.kind);
    if (held === null || !sameOwner(held.owner, waiting.owner)) return null;
    if (!isUnder(held.authority, waiting.leaf, at)) return null;
    if (!this.#takeRow(waiting, held.middle, text)) return null;
    sequence.next += 1;
    this.#waiting.delete(intent);
    const { grant } = waiting.kind.claim;
    const status = text.slice(this.#end.status, this.#end.statusTo);
    this.#parts.tally.addLike(waiting.kind.shared, grant, time, status, this.#end.rows);
    this.#parts.summary?.addLike(waiting.kind.shared, waiting.leaf, time, status, this.#end.rows);
    const texts = (waiting.statement === null ? 0 : 1) + (waiting.parameters === null ? 0 : 1);
    const done = { leaf: waiting.leaf, id: intent, grant, at, texts };
    return { doubled: ids.addRead(head.leaf), id: idAt(text, head.id), done };
  }

  /** A command outside of the time of the package: it has no row, and needs its authority all the same. */
  #takeOutside(waiting: Waiting, sequence: Sequence, intent: string, text: string, at: number): Taken | null {
    const outside = this.#outsideOf(waiting.kind);
    if (outside === null || !isUnder(outside.authority, waiting.leaf, at)) return null;
    sequence.next += 1;
    this.#waiting.delete(intent);
    const done = { leaf: waiting.leaf, id: intent, grant: waiting.kind.claim.grant, at, texts: 0 };
    const head = this.#head;
    return { doubled: this.#parts.ids.addRead(head.leaf), id: idAt(text, head.id), done };
  }

  /** Whether row and line of a command come next and are what they must be; then they are taken. */
  #takeRow(waiting: Waiting, middle: Middle, text: string): boolean {
    const { rows, csv } = this.#parts;
    const cursor = rows.cursor;
    if (cursor === null) return false;
    const outcome: OutcomeEntry = { text, leafTo: this.#head.leafTo, end: this.#end };
    const given = cursor.text;
    const row = this.#texts.row(given, cursor.at, waiting, middle, outcome);
    if (row === null) return false;
    const end = this.#texts.line(csv.text, csv.at, waiting, middle, outcome, row);
    if (end < 0) return false;
    csv.skip(end - csv.at);
    rows.took(row.to - cursor.at);
    return true;
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
    const kind = this.#outcomes.of(text.slice(from, from + this.#length));
    return kind.what === 'outcome' ? kind : null;
  }

  #outsideOf(kind: IntentKind): Outside | null {
    const { populations } = this.#parts;
    const { version } = populations;
    const { outside, claim } = kind;
    if (outside?.version === version && populations.session(claim.session) === outside.authority.session)
      return outside;
    const authority = authorityOf(claim, populations);
    kind.outside = authority === null ? null : { version, authority };
    return kind.outside;
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

function isUnder({ fromLeaf, from, to }: Authority, leaf: number, at: number): boolean {
  return leaf >= fromLeaf && at >= from && at < to;
}

/** Whether an outcome is of the principal and session of its intent. */
function answers(intent: IntentKind, outcome: OutcomeKind): boolean {
  if (intent.answer === outcome) return true;
  const { principal, session } = intent.claim;
  if (outcome.principal.id !== principal || outcome.session !== session) return false;
  intent.answer = outcome;
  return true;
}

function placeOf({ from, commitment, to, bytes }: PayloadPlace): IntentEntry['statement'] {
  return from === 0 ? null : { from, commitment, to, bytes };
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
