import type { Ref } from '../core/record.ts';
import type { Authority, Claim } from './authority.ts';
import type { Middle } from './command-texts.ts';
import { copied } from './full-texts.ts';
import type { RecordReader, Shared } from './record-reader.ts';

interface AnyKind {
  /** What leaves of it have in common, word for word. */
  readonly list: string;
  /** The kind that came after it last time. */
  next: Kind | null;
}

/** What intents have in common, and what follows from it. */
export interface IntentKind extends AnyKind {
  readonly what: 'intent';
  readonly shared: Shared;
  readonly principal: Ref;
  readonly claim: Claim;
  /** What outcomes have in common that were found to fit. */
  answer: OutcomeKind | null;
  held: Held | null;
  /** As `held`, of commands that have no row. */
  outside: Outside | null;
}

export interface OutcomeKind extends AnyKind {
  readonly what: 'outcome';
  readonly principal: Ref;
  readonly session: string;
}

/** A leaf that goes the long way. */
interface OtherKind extends AnyKind {
  readonly what: 'other';
}

export type Kind = IntentKind | OutcomeKind | OtherKind;

/** How commands of a kind are written and on what authority they are, as long as nothing changes. */
export interface Held {
  readonly version: number;
  readonly authority: Authority;
  readonly owner: Ref | null;
  readonly middle: Middle;
}

/** On what authority commands of a kind are that have no row, as long as nothing changes. */
export interface Outside {
  readonly version: number;
  readonly authority: Authority;
}

/** So many are kept. */
const KINDS = 4096;
const ASCII = /^[ -~]*$/;

/** What leaves have in common that go the short way, found again by comparing texts. */
export class LeafKinds {
  readonly #records: RecordReader;
  readonly #kinds = new Map<string, Kind>();
  #last: Kind = { what: 'other', list: '', next: null };

  constructor(records: RecordReader) {
    this.#records = records;
  }

  /** The kind of a leaf. A job does the same things in the same order: so it is likely the one that came next last time. */
  of(list: string): Kind {
    const { next } = this.#last;
    const kind = next?.list === list ? next : this.#find(list);
    this.#last.next = kind;
    this.#last = kind;
    return kind;
  }

  #find(list: string): Kind {
    const known = this.#kinds.get(list);
    if (known !== undefined) return known;
    // What is kept has to be a copy: a piece of a text keeps all of it.
    const own = copied(list);
    const shared = ASCII.test(own) ? this.#records.shared(own) : null;
    const kind: Kind = shared === null ? { what: 'other', list: own, next: null } : kindOf(own, shared);
    if (this.#kinds.size >= KINDS) this.#kinds.clear();
    this.#kinds.set(own, kind);
    return kind;
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
  const none = { answer: null, held: null, outside: null, next: null };
  return { what: 'intent', list, shared, principal: named, claim, ...none };
}

function refOf(value: unknown): Ref | null {
  const { id, name } = (value ?? {}) as Partial<Ref>;
  return typeof id === 'string' && typeof name === 'string' ? { id, name } : null;
}
