/**
 * The activity room: what happened, found fast. The index is a copy of the log in the shape that questions have;
 * it holds nothing that the log does not, so it may be thrown away and rebuilt, and nothing in evidence rests on it.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type ChangeRecord,
  type CommandDenied,
  type CommandIntent,
  type CommandOutcome,
  type CredentialRefused,
  type Delegated,
  type LoginRefused,
  type PayloadErased,
  RECORD_TYPES,
  type RecordBase,
  type Ref,
  type SessionClosed,
  type SessionOpened,
  type SessionRefused,
  type VaultKeyRotated,
} from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import type { CommonPart } from '../ledger/record-scan.ts';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { EntityTable } from './entity-table.ts';
import { EntryScanner, type ScannedEntry } from './entry-scan.ts';
import { type EventRow, EventTables, one, type Use } from './event-tables.ts';
import { Names } from './names.ts';
import { BLOCK, DECISION, KIND, NAME, openIndex } from './schema.ts';
import { microsOf } from './times.ts';
import { UseTable } from './use-table.ts';

/** What records say of their session. */
type SessionOf = { readonly session?: string } & Delegated;

const TYPE_NUMBER = new Map<string, number>(RECORD_TYPES.map((type, i) => [type, i]));
const INTENT = typeNumber('command.intent');

/** The numbers of what the intents of a session and a statement have in common, and the last leaf that has it. */
interface Shared {
  readonly record: Partial<CommandIntent>;
  readonly principal: number;
  readonly resource: number;
  readonly session: number;
  readonly grant: number;
  readonly class: number;
  readonly use: Use;
  last: number;
  /** Of that leaf. */
  time: number;
}

/** The number of a record type in the index. */
export function typeNumber(type: string): number {
  return TYPE_NUMBER.get(type) ?? -1;
}

export class ActivityIndex {
  readonly #db: DatabaseSync;
  readonly #principals: Names;
  readonly #resources: Names;
  readonly #sessions: Names;
  readonly #grants: Names;
  readonly #entities: EntityTable;
  readonly #tables: EventTables;
  readonly #uses: UseTable;
  readonly #putMeta: StatementSync;
  readonly #scanner = new EntryScanner();
  /** Of one batch. */
  readonly #shared = new Map<CommonPart, Shared>();
  #size: number;
  #lastTime = 0;
  #nextName: number;

  /** @param file path of index.db; made where it is missing, made anew where it is of another version. */
  static open(file: string): ActivityIndex {
    return new ActivityIndex(openIndex(file));
  }

  private constructor(db: DatabaseSync) {
    this.#db = db;
    const nextName = (): number => this.#nextName++;
    this.#principals = new Names(db, NAME.principal, nextName);
    this.#resources = new Names(db, NAME.resource, nextName);
    this.#sessions = new Names(db, NAME.session, nextName);
    this.#grants = new Names(db, NAME.grant, nextName);
    this.#entities = new EntityTable(db);
    this.#tables = new EventTables(db);
    this.#uses = new UseTable(db);
    this.#putMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    this.#size = one(db, "SELECT value FROM meta WHERE key = 'size'");
    this.#nextName = one(db, 'SELECT max(n) FROM names') + 1;
  }

  /** How many leaves, from leaf 0 on, are in the index. */
  indexedSize(): number {
    return this.#size;
  }

  /**
   * Takes leaves into the index, all of them or none. Leaves it has already are passed over.
   *
   * @throws Error where leaves between what it has and what it gets are missing
   */
  consume(leaves: readonly IndexedEntry[]): void {
    const first = leaves[0];
    const last = leaves.at(-1);
    if (first === undefined || last === undefined || last.index < this.#size) return;
    if (first.index > this.#size) {
      throw new Error(`The index has ${this.#size} leaves and was given leaf ${first.index} next.`);
    }
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      this.#takeAll(leaves);
      this.#putMeta.run('size', last.index + 1);
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#forget();
      throw error;
    }
    this.#size = last.index + 1;
  }

  close(): void {
    this.#db.close();
  }

  #takeAll(leaves: readonly IndexedEntry[]): void {
    let block = -1;
    let min = 0;
    let max = 0;
    const putBlock = (): void => {
      if (block >= 0) this.#tables.putBlock(block, min, max);
    };
    for (const leaf of leaves) {
      if (leaf.index < this.#size) continue;
      const scanned = this.#scanner.scan(leaf.entry);
      const record = scanned === null ? (JSON.parse(leaf.entry.toString()) as LeafRecord) : null;
      const time = timeOf((scanned ?? record)?.time, this.#lastTime);
      this.#lastTime = time;
      const at = Math.floor(leaf.index / BLOCK);
      if (at !== block) {
        putBlock();
        block = at;
        min = time;
        max = time;
      } else if (time < min) min = time;
      else if (time > max) max = time;
      if (record !== null) this.#take(leaf.index, time, record);
      else if (scanned !== null) this.#takeScanned(leaf.index, time, scanned);
    }
    putBlock();
    this.#nameShared();
    this.#tables.flush();
    this.#uses.flush();
    for (const names of [this.#principals, this.#resources, this.#sessions, this.#grants]) names.save();
  }

  #takeScanned(leaf: number, time: number, { id, common, outcome }: ScannedEntry): void {
    if (outcome !== null) {
      this.#tables.addOutcome(leaf, outcome);
      return;
    }
    let shared = this.#shared.get(common);
    if (shared === undefined) {
      shared = this.#share(leaf, common.members as Partial<CommandIntent>);
      this.#shared.set(common, shared);
    }
    shared.last = leaf;
    shared.time = time;
    shared.use.last = leaf;
    shared.use.lastAllowed = leaf;
    shared.use.allowed += 1;
    const { principal, resource, session, grant, class: n } = shared;
    const what = { type: INTENT, kind: KIND.command, decision: DECISION.allow };
    this.#tables.addEvent(leaf, { id, time, ...what, principal, resource, session, grant, class: n });
    this.#tables.wait(id, leaf);
  }

  #share(leaf: number, record: Partial<CommandIntent>): Shared {
    const principal = this.#principal(leaf, record);
    const resource = this.#resource(leaf, record.resource);
    const session = this.#session(leaf, record, principal);
    const grant = this.#grant(leaf, record.grant, principal);
    const classNumber = this.#tables.class(
      record.verbs ?? [],
      record.objects ?? [],
      record.fingerprint ?? '',
    );
    const use = this.#tables.use(leaf, principal, resource, classNumber);
    return { record, principal, resource, session, grant, class: classNumber, use, last: leaf, time: 0 };
  }

  /** Says of the names that scanned records share which leaf had them last, in the order of these leaves. */
  #nameShared(): void {
    for (const shared of [...this.#shared.values()].sort((a, b) => a.last - b.last)) {
      this.#share(shared.last, shared.record);
      this.#uses.used(shared.principal, shared.time);
    }
    this.#shared.clear();
  }

  #take(leaf: number, time: number, record: RecordBase): void {
    if (record.type === 'command.outcome') this.#takeOutcome(leaf, record as CommandOutcome);
    else if (record.type === 'command.intent' || record.type === 'command.denied') {
      this.#takeCommand(leaf, time, record as CommandIntent | CommandDenied);
    } else if (record.type.startsWith('session.')) {
      this.#takeSession(leaf, time, record as SessionOpened | SessionClosed | SessionRefused);
    } else if ('change' in record) this.#takeChange(leaf, time, record as ChangeRecord);
    else if (record.type === 'payload.erased') this.#takeErasure(leaf, time, record as PayloadErased);
    else if (record.type === 'vault.key.rotated') this.#takeKey(leaf, time, record as VaultKeyRotated);
    else if (record.type === 'credential.refused') {
      const { code, reason, count } = record as Partial<CredentialRefused> & RecordBase;
      this.#takeRefused(leaf, time, record, code, several(reason, count));
    } else if (record.type === 'person.login_refused') {
      const { method, reason, count } = (record as Partial<LoginRefused> & RecordBase).refused ?? {};
      this.#takeRefused(leaf, time, record, method, several(reason, count));
    } else this.#put(leaf, time, record, KIND.other, { principal: this.#principal(leaf, record) });
  }

  #takeCommand(
    leaf: number,
    time: number,
    record: Partial<CommandIntent | CommandDenied> & RecordBase,
  ): void {
    const principal = this.#principal(leaf, record);
    this.#uses.used(principal, time);
    this.#put(leaf, time, record, KIND.command, {
      decision: record.type === 'command.intent' ? DECISION.allow : DECISION.deny,
      principal,
      resource: this.#resource(leaf, record.resource),
      session: this.#session(leaf, record, principal),
      grant: record.type === 'command.intent' ? this.#grant(leaf, record.grant, principal) : 0,
      class: this.#tables.class(record.verbs ?? [], record.objects ?? [], record.fingerprint ?? ''),
    });
    if (record.type === 'command.denied') {
      this.#tables.addDetail(leaf, record.decision?.code ?? null, record.decision?.reason ?? null, null);
      return;
    }
    this.#tables.wait(record.id, leaf);
  }

  #takeOutcome(leaf: number, record: Partial<CommandOutcome>): void {
    const { intent = '', status = 'unknown', code = '', rows = 0, bytes = 0, durationUs = 0 } = record;
    this.#tables.addOutcome(leaf, { intent, status, code, rows, bytes, durationUs });
  }

  #takeSession(
    leaf: number,
    time: number,
    record: Partial<SessionOpened | SessionClosed | SessionRefused> & RecordBase,
  ): void {
    const principal = this.#principal(leaf, record);
    this.#put(leaf, time, record, KIND.session, {
      decision: record.type === 'session.refused' ? DECISION.deny : DECISION.none,
      principal,
      resource: this.#resource(leaf, record.resource),
      session: this.#session(leaf, record, principal),
    });
    if (record.type === 'session.opened') this.#uses.opened(principal, record.source, time);
    if (record.type === 'session.refused') {
      const reason = several(record.reason, record.repeated);
      this.#tables.addDetail(leaf, record.code ?? null, reason, null);
    } else if (record.type === 'session.closed') {
      this.#tables.addDetail(leaf, null, record.reason ?? null, null);
    }
  }

  #takeChange(leaf: number, time: number, record: ChangeRecord): void {
    const { entity, id } = record.change;
    const principal = this.#principal(leaf, record);
    const name = this.#entities.take(leaf, record);
    // A credential that it got by itself is a use; one that a person gave it is not.
    if (record.type === 'credential.issued' && record.actor.kind === 'principal')
      this.#uses.used(principal, time);
    this.#put(leaf, time, record, KIND.change, {
      principal,
      resource: entity === 'resource' ? this.#resources.number(id, name, leaf) : 0,
      grant: entity === 'grant' ? this.#grants.number(id, '', leaf, principal) : 0,
    });
    this.#tables.addDetail(leaf, null, record.reason ?? null, JSON.stringify({ entity, id, name }));
  }

  /** Somebody who was not let in, or given nothing. */
  #takeRefused(
    leaf: number,
    time: number,
    record: RecordBase,
    code: string | undefined,
    reason: string | null,
  ): void {
    const principal = this.#principal(leaf, record);
    this.#put(leaf, time, record, KIND.other, { decision: DECISION.deny, principal });
    this.#tables.addDetail(leaf, code ?? null, reason, null);
  }

  #takeErasure(leaf: number, time: number, record: Partial<PayloadErased> & RecordBase): void {
    const { erasure, reason = null } = record;
    this.#put(leaf, time, record, KIND.change, { principal: this.#principal(leaf, record) });
    if (erasure === undefined) return;
    const { payloads, kinds, day, record: of } = erasure;
    const name = `${payloads} ${payloads === 1 ? 'text' : 'texts'} (${kinds.join(', ')}) of ${day}`;
    this.#tables.addDetail(leaf, null, reason, JSON.stringify({ entity: 'payload', id: of ?? day, name }));
  }

  #takeKey(leaf: number, time: number, record: Partial<VaultKeyRotated> & RecordBase): void {
    const { masterKey, reason = null } = record;
    this.#put(leaf, time, record, KIND.change, { principal: this.#principal(leaf, record) });
    if (masterKey === undefined) return;
    const { id, provider } = masterKey.after;
    const change = { entity: 'master_key', id, name: `${id} (${provider})` };
    this.#tables.addDetail(leaf, null, reason, JSON.stringify(change));
  }

  #put(
    leaf: number,
    time: number,
    record: RecordBase,
    kind: number,
    row: Partial<EventRow> & { readonly principal: number },
  ): void {
    const { decision = DECISION.none, principal, resource = 0, session = 0, grant = 0, class: n = 0 } = row;
    const what = { id: record.id, time, type: typeNumber(record.type), kind, decision };
    this.#tables.addEvent(leaf, { ...what, principal, resource, session, grant, class: n });
    const use = this.#tables.use(leaf, principal, resource, n);
    if (kind !== KIND.command) return;
    if (decision === DECISION.allow) {
      use.allowed += 1;
      use.lastAllowed = Math.max(use.lastAllowed, leaf);
    } else use.denied += 1;
  }

  #principal(leaf: number, record: Pick<RecordBase, 'principal'>): number {
    const ref = record.principal;
    return ref === undefined ? 0 : this.#principals.number(ref.id, ref.name, leaf);
  }

  #resource(leaf: number, ref: Ref | undefined): number {
    return ref === undefined ? 0 : this.#resources.number(ref.id, ref.name, leaf);
  }

  /** A session has no name; on whose behalf it is stands in its place. */
  #session(leaf: number, { session, delegation }: SessionOf, principal: number): number {
    const behalf = delegation === undefined ? '' : JSON.stringify(delegation);
    return session === undefined ? 0 : this.#sessions.number(session, behalf, leaf, principal);
  }

  #grant(leaf: number, id: string | undefined, principal: number): number {
    return id === undefined || id === '' ? 0 : this.#grants.number(id, '', leaf, principal);
  }

  /** After a failed batch nothing in memory may claim to be in the file. */
  #forget(): void {
    this.#tables.drop();
    this.#uses.drop();
    for (const names of [this.#principals, this.#resources, this.#sessions, this.#grants]) names.drop();
    this.#shared.clear();
    this.#nextName = one(this.#db, 'SELECT max(n) FROM names') + 1;
  }
}

/**
 * The record's time. The index must take every leaf the log has, or the log could not go on: a leaf whose time cannot
 * be read stands at the time of the leaf before it.
 */
function timeOf(time: unknown, before: number): number {
  try {
    return microsOf(time as string);
  } catch {
    return before;
  }
}

/** A reason that stands for several of its kind. @param count how many, this one included */
function several(reason: string | undefined, count = 1): string | null {
  if (reason === undefined || count <= 1) return reason ?? null;
  return `${reason} (and ${(count - 1).toLocaleString('en-US')} more like it)`;
}
