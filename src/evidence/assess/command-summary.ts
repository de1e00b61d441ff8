import type { CommandRow } from '../format.ts';
import type { Shared } from '../record-reader.ts';

/** Commands that are alike, of one UTC day: a row of `commands_summary`. */
export interface SummaryRow {
  readonly principalId: string | null;
  readonly principal: string | null;
  readonly resourceId: string | null;
  readonly resource: string | null;
  readonly grant: string | null;
  /** Null, as the next two, where there were more kinds than are told apart. */
  readonly session: string | null;
  readonly verbs: readonly string[] | null;
  readonly objects: readonly string[] | null;
  readonly decision: 'allow' | 'deny';
  /** The rule that let them through, or the code of the refusal. */
  readonly why: string;
  readonly day: string;
  commands: number;
  /** Let through and answered with an error. */
  failed: number;
  /** Let through, and the log has no outcome. */
  unanswered: number;
  rows: number;
  firstTime: string;
  lastTime: string;
  /** Of the intent or denial. */
  firstLeaf: number;
  lastLeaf: number;
}

export const SUMMARY_COLUMNS = [
  ...['principalId', 'principal', 'resourceId', 'resource', 'grant', 'session', 'verbs', 'objects'],
  ...['decision', 'why', 'day', 'commands', 'failed', 'unanswered', 'rows', 'firstTime', 'lastTime'],
  ...['firstLeaf', 'lastLeaf'],
] as const satisfies readonly (keyof SummaryRow)[];

/** What of a row says which one it is, but for the day. */
type Kind = Pick<
  SummaryRow,
  | 'principalId'
  | 'principal'
  | 'resourceId'
  | 'resource'
  | 'grant'
  | 'session'
  | 'verbs'
  | 'objects'
  | 'decision'
  | 'why'
>;

/** Where commands of one kind are counted. */
interface Place {
  readonly kind: Kind;
  readonly key: string;
  last: SummaryRow | null;
}

/** How one command came and went. */
interface One {
  readonly leaf: number;
  readonly time: string;
  readonly failed: boolean;
  readonly unanswered: boolean;
  readonly rows: number;
}

/** So many rows are told apart by session, verbs and objects: whoever is refused may name anything. */
const MOST = 200_000;

/** A summary as it goes from one thread to another. */
export interface SummaryState {
  readonly rows: ReadonlyMap<string, SummaryRow>;
  readonly lumped: boolean;
}

/** Adds up commands as they go by, so that a million of them need no million rows. In whichever parts, it comes to the same. */
export class CommandSummary {
  readonly #rows = new Map<string, SummaryRow>();
  readonly #places = new WeakMap<Shared, Place>();
  readonly #most: number;
  /** Whether there were more kinds than are told apart: then it depends on the order, and parts cannot be joined. */
  #lumped = false;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** @param shared what the leaf of the command has in common with others */
  add(row: CommandRow, shared: Shared | null): void {
    const known = shared === null ? undefined : this.#places.get(shared);
    const place = known ?? placeOf(row);
    if (shared !== null && known === undefined) this.#places.set(shared, place);
    const { leaf, time, status, rows } = row;
    const unanswered = row.decision === 'allow' && row.outcomeLeaf === null;
    this.#count(place, { leaf, time, failed: status === 'error', unanswered, rows: rows ?? 0 });
  }

  /** Adds a command that was let through and answered, of a kind that was added before, as {@link add} does. */
  addLike(shared: Shared, leaf: number, time: string, status: string, rows: number): void {
    const one = { leaf, time, failed: status === 'error', unanswered: false, rows };
    this.#count(this.#places.get(shared) as Place, one);
  }

  state(): SummaryState {
    return { rows: this.#rows, lumped: this.#lumped };
  }

  /** Adds what another part came to; false where the two cannot be joined. */
  join({ rows, lumped }: SummaryState): boolean {
    if (lumped || this.#lumped) return false;
    for (const [key, row] of rows) {
      const known = this.#rows.get(key);
      if (known === undefined) this.#rows.set(key, { ...row });
      else addUp(known, row);
    }
    return this.#rows.size <= this.#most;
  }

  /** In the order of their first leaves. */
  rows(): readonly SummaryRow[] {
    return [...this.#rows.values()].sort((a, b) => a.firstLeaf - b.firstLeaf);
  }

  #count(place: Place, one: One): void {
    const { last } = place;
    const day = one.time.slice(0, 10);
    const row = last?.day === day ? last : this.#rowOf(place, day, one);
    place.last = row;
    row.commands += 1;
    if (one.failed) row.failed += 1;
    if (one.unanswered) row.unanswered += 1;
    row.rows += one.rows;
    if (one.time < row.firstTime) row.firstTime = one.time;
    if (one.time > row.lastTime) row.lastTime = one.time;
    if (one.leaf < row.firstLeaf) row.firstLeaf = one.leaf;
    if (one.leaf > row.lastLeaf) row.lastLeaf = one.leaf;
  }

  #rowOf(place: Place, day: string, one: One): SummaryRow {
    const known = this.#rows.get(`${day}${place.key}`);
    if (known !== undefined) return known;
    if (this.#rows.size < this.#most) return this.#begin(place, day, one);
    this.#lumped = true;
    const lump = lumpOf(place.kind);
    return this.#rows.get(`${day}${lump.key}`) ?? this.#begin(lump, day, one);
  }

  #begin({ kind, key }: Place, day: string, { time, leaf }: One): SummaryRow {
    const counts = { commands: 0, failed: 0, unanswered: 0, rows: 0 };
    const row = {
      ...kind,
      day,
      ...counts,
      firstTime: time,
      lastTime: time,
      firstLeaf: leaf,
      lastLeaf: leaf,
    };
    this.#rows.set(`${day}${key}`, row);
    return row;
  }
}

function placeOf(row: CommandRow): Place {
  const kind: Kind = {
    principalId: row.principal?.id ?? null,
    principal: row.principal?.name ?? null,
    resourceId: row.resource?.id ?? null,
    resource: row.resource?.name ?? null,
    grant: row.grant,
    session: row.session,
    verbs: row.verbs,
    objects: row.objects,
    decision: row.decision,
    why: row.decision === 'allow' ? row.why : (row.why.split(':', 1)[0] ?? ''),
  };
  return { kind, key: JSON.stringify(Object.values(kind)), last: null };
}

function lumpOf(kind: Kind): Place {
  const lumped = { ...kind, session: null, verbs: null, objects: null };
  return { kind: lumped, key: JSON.stringify(Object.values(lumped)), last: null };
}

function addUp(into: SummaryRow, row: SummaryRow): void {
  into.commands += row.commands;
  into.failed += row.failed;
  into.unanswered += row.unanswered;
  into.rows += row.rows;
  if (row.firstTime < into.firstTime) into.firstTime = row.firstTime;
  if (row.lastTime > into.lastTime) into.lastTime = row.lastTime;
  if (row.firstLeaf < into.firstLeaf) into.firstLeaf = row.firstLeaf;
  if (row.lastLeaf > into.lastLeaf) into.lastLeaf = row.lastLeaf;
}
