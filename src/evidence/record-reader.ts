import type { LeafRecord } from '../ledger/leaf.ts';

/**
 * What many records have in common, word for word: all members of a leaf behind its time (of an outcome: up to its intent).
 * Who derives something from these alone may keep it by this object.
 */
export interface Shared {
  readonly members: Readonly<Record<string, unknown>>;
}

export interface ReadRecord {
  readonly record: LeafRecord;
  /** Null where the record was read as a whole. */
  readonly shared: Shared | null;
}

/** Entries longer than this are read as a whole, so that what is kept stays small. */
export const LONGEST_IN_PARTS = 4096;
const KEPT = 4096;
const NEAR = 1024;

const NUMBER = '0|[1-9]\\d{0,14}';
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const PAYLOAD = `\\{"commitment":"([0-9a-f]{64})","bytes":(${NUMBER})\\}`;
const HEAD = new RegExp(
  `\\{"v":1,"leaf":(${NUMBER})(?:,"principalSeq":(${NUMBER}))?` +
    `(?:,"payloads":\\{"statement":${PAYLOAD}(?:,"parameters":${PAYLOAD})?\\})?` +
    `,"id":"(${UUID})","time":"([0-9TZ:.-]{20,30})",`,
  'y',
);
const OUTCOME = '"type":"command.outcome",';
const INTENT = ',"intent":"';
const END = new RegExp(
  `,"intent":"(${UUID})","status":"([a-z]{1,16})","code":"([A-Za-z0-9 ]{0,64})",` +
    `"rows":(${NUMBER}),"bytes":(${NUMBER}),"durationUs":(${NUMBER})\\}$`,
  'y',
);

/** What stands in the two ends. */
const ENDS: ReadonlySet<string> = new Set([
  ...['v', 'leaf', 'principalSeq', 'payloads', 'id', 'time'],
  ...['intent', 'status', 'code', 'rows', 'bytes', 'durationUs'],
]);

/**
 * Reads entries, each as `JSON.parse` does. Most records of a log repeat others but for a few members at both ends, in the
 * form in which Postern writes them. Where the ends have exactly that form, the middle is parsed once, as an object of its
 * own: members that are valid by themselves stay so between others, and are the same.
 */
export class RecordReader {
  readonly #known = new Map<string, Shared>();
  /** Those last met, each where a look at some of its characters leads: comparing takes less than looking up. */
  readonly #near: ({ readonly list: string; readonly shared: Shared } | undefined)[] = new Array(NEAR);
  /** What the last outcome that was not like the one before shared with others. */
  #last = '';

  /** @throws SyntaxError where the entry is no JSON */
  read(entry: Buffer): ReadRecord {
    const text = entry.toString('utf8');
    const inParts = text.length <= LONGEST_IN_PARTS && text.endsWith('}');
    return (
      (inParts ? this.#readParts(text) : null) ?? { record: JSON.parse(text) as LeafRecord, shared: null }
    );
  }

  #readParts(text: string): ReadRecord | null {
    HEAD.lastIndex = 0;
    const head = HEAD.exec(text);
    if (head === null) return null;
    const from = HEAD.lastIndex;
    if (text.slice(from, from + OUTCOME.length) !== OUTCOME) {
      const shared = this.shared(text.slice(from, -1));
      return shared === null ? null : { record: begun(shared.members, head) as LeafRecord, shared };
    }
    const to = this.#endOf(text, from);
    END.lastIndex = to;
    const end = to < from ? null : END.exec(text);
    const shared = end === null ? null : this.shared(text.slice(from, to));
    if (end === null || shared === null) return null;
    const record: Record<string, unknown> = begun(shared.members, head);
    record.intent = end[1];
    record.status = end[2];
    record.code = end[3];
    record.rows = Number(end[4]);
    record.bytes = Number(end[5]);
    record.durationUs = Number(end[6]);
    return { record: record as LeafRecord, shared };
  }

  /** Where the end of an outcome begins. Most have what they share with the last one: looking for it takes longer. */
  #endOf(text: string, from: number): number {
    const to = from + this.#last.length;
    if (this.#last !== '' && text.slice(from, to) === this.#last && text[to] === ',') return to;
    const found = text.lastIndexOf(INTENT);
    this.#last = text.slice(from, Math.max(found, from));
    return found;
  }

  /** What a list of members says that have no place at either end; null where it is none. */
  shared(list: string): Shared | null {
    const place = placeOf(list);
    const near = this.#near[place];
    if (near !== undefined && near.list === list) return near.shared;
    const shared = this.#known.get(list) ?? this.#parse(list);
    if (shared !== null) this.#near[place] = { list, shared };
    return shared;
  }

  #parse(list: string): Shared | null {
    try {
      const shared = { members: JSON.parse(`{${list}}`) as Shared['members'] };
      const names = Object.keys(shared.members);
      // Without any member there is a comma too many; with one of the ends again, the last would count.
      if (names.length === 0 || names.some((name) => ENDS.has(name))) return null;
      if (this.#known.size >= KEPT) this.#known.clear();
      this.#known.set(list, shared);
      return shared;
    } catch {
      return null; // Read as a whole, it is told what is wrong with it.
    }
  }
}

/** A number below 1024 from the length of a text and some characters all over it. */
function placeOf(text: string): number {
  let sum = text.length;
  const step = (text.length >> 5) | 1;
  for (let at = text.length - 1; at >= 0; at -= step) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return (sum ^ (sum >>> 15)) & (NEAR - 1);
}

/** A record with the members at the beginning; one literal, since that is made fastest. */
function begun(members: Shared['members'], head: RegExpExecArray): Record<string, unknown> {
  const [leaf, id, time] = [Number(head[1]), head[7], head[8]];
  const record: Record<string, unknown> =
    head[2] === undefined
      ? { ...members, v: 1, leaf, id, time }
      : { ...members, v: 1, leaf, id, time, principalSeq: Number(head[2]) };
  if (head[3] !== undefined) record.payloads = committed(head);
  return record;
}

function committed(head: RegExpExecArray): object {
  const statement = { commitment: head[3], bytes: Number(head[4]) };
  if (head[5] === undefined) return { statement };
  return { statement, parameters: { commitment: head[5], bytes: Number(head[6]) } };
}
