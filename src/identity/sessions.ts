import { randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, RecordBase, RecordType, Ref, SignInMethod, SignInRecord } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Person } from '../store/entities.ts';
import { findPerson } from '../store/queries.ts';
import type { PersonSessionTable } from '../store/schema.ts';
import type { StateDb } from '../store/store.ts';
import { atMillis, checkReason } from './input.ts';
import { personActor, SYSTEM } from './persons.ts';
import type { SignIn } from './sign-in.ts';
import { type Caller, sha256 } from './tokens.ts';

/** A session of a browser and one of the command line are told apart, so that neither token serves for the other. */
const PATTERN = { browser: /^psb_[A-Za-z0-9_-]{43}$/, cli: /^psc_[A-Za-z0-9_-]{43}$/ } as const;
export type SessionKind = keyof typeof PATTERN;

/** Who signs in more often loses the oldest. */
const MOST_SESSIONS = 50;
/** Somebody who came in by a recovery code is to make a new passkey, and nothing else. */
const RECOVERY_SECONDS = 15 * 60;

/** No decision waits for the record of an end. */
const SWEEP_MS = 5000;

/** A person's session, as lists show it. */
export interface PersonSession {
  readonly id: string;
  readonly person: Ref;
  readonly kind: SessionKind;
  readonly method: SignInMethod;
  readonly provider: Ref | null;
  readonly source: string;
  readonly authenticatedAt: string | null;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  /** When it ends if nothing is done with it. */
  readonly idleEndsAt: string;
  readonly expiresAt: string;
}

export interface NewSession {
  /** Id of the person. */
  readonly person: string;
  readonly kind: SessionKind;
  readonly method: SignInMethod;
  readonly provider: Ref | null;
  /** When the person showed who they are, in ms; null where nobody knows. */
  readonly authenticatedAt: number | null;
  /** Client address. */
  readonly source: string;
  /** When the session began that this one goes on from, in ms: it lives no longer for it. Default: now. */
  readonly begunAt?: number;
}

export interface OpenedSession {
  /** Shown once: only its hash is kept. */
  readonly token: string;
  readonly session: PersonSession;
}

/** Sessions of people who signed in: 256 random bits, of which the store holds SHA-256, with an idle and an absolute end. */
export class PersonSessions {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #signIn: SignIn;
  readonly #write: (record: RecordBase) => Promise<void>;
  #sweptAt = 0;

  constructor(db: StateDb, changes: ChangeLog, signIn: SignIn, write: (record: RecordBase) => Promise<void>) {
    this.#db = db;
    this.#changes = changes;
    this.#signIn = signIn;
    this.#write = write;
  }

  /**
   * Begins a session. Its record is durable before the token is given out.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED when the person is not active (any more)
   */
  open(input: NewSession): Promise<OpenedSession> {
    return this.#changes.exclusive(async () => {
      const person = await findPerson(this.#db, input.person);
      if (person?.status !== 'active') throw refused();
      const settings = (await this.#signIn.settings())[input.kind];
      const recovering = input.method === 'recovery_code';
      const absolute = recovering ? RECOVERY_SECONDS : settings.absoluteSeconds;
      const micros = nowMicros();
      const token = `${input.kind === 'browser' ? 'psb' : 'psc'}_${randomBytes(32).toString('base64url')}`;
      const row: PersonSessionTable = {
        id: uuidv7(),
        person_id: person.id,
        token_hash: sha256(token),
        kind: input.kind,
        method: input.method,
        provider: input.provider === null ? null : JSON.stringify(input.provider),
        source: input.source,
        authenticated_at:
          input.authenticatedAt === null ? null : atMillis(Math.min(input.authenticatedAt, Date.now())),
        created_at: rfc3339(micros),
        last_used_at: rfc3339(micros),
        idle_seconds: Math.min(settings.idleSeconds, absolute),
        expires_at: rfc3339(
          (input.begunAt === undefined ? micros : input.begunAt * 1000) + absolute * 1_000_000,
        ),
      };
      if (row.expires_at <= row.created_at) throw refused();
      await this.#makeRoom(person);
      await this.#write(recordOf('person.login', personActor(person), person, row));
      await this.#db.insertInto('person_sessions').values(row).execute();
      return { token, session: sessionOf(row, person) };
    });
  }

  /**
   * Whose session it is. The look-up is by hash, so its time tells nothing about the bytes of any token.
   *
   * @throws PosternError POSTERN_UNAUTHORIZED, with one message for every reason
   */
  async authenticate(token: string, kind: SessionKind): Promise<Caller> {
    if (!PATTERN[kind].test(token)) throw refused();
    const hash = sha256(token);
    const row = await this.#db
      .selectFrom('person_sessions')
      .selectAll()
      .where('token_hash', '=', hash)
      .executeTakeFirst();
    const now = Date.now();
    if (!row || !timingSafeEqual(row.token_hash, hash) || row.kind !== kind || endOf(row, now) !== null) {
      throw refused();
    }
    const person = await findPerson(this.#db, row.person_id);
    if (person?.status !== 'active') throw refused();
    // A write per call would cost more than the call; a tenth of the idle time is exact enough.
    if (Date.parse(row.last_used_at) + Math.min(60_000, row.idle_seconds * 100) < now) {
      const used = this.#db.updateTable('person_sessions').set({ last_used_at: atMillis(now) });
      await used.where('id', '=', row.id).execute();
    }
    const { freshSeconds } = await this.#signIn.settings();
    // A recovery code opens nothing but the making of a new passkey.
    const proved = row.method === 'recovery_code' ? null : row.authenticated_at;
    return {
      person,
      tokenExpiresAt: row.expires_at,
      freshUntil: proved === null ? null : Date.parse(proved) + freshSeconds * 1000,
      session: sessionOf(row, person),
    };
  }

  /** Sessions that have not ended, the oldest first. @param personId of one person only */
  async list(personId?: string): Promise<PersonSession[]> {
    let query = this.#db
      .selectFrom('person_sessions')
      .innerJoin('persons', 'persons.id', 'person_sessions.person_id')
      .selectAll('person_sessions')
      .select('persons.name as person_name')
      .orderBy('person_sessions.id');
    if (personId !== undefined) query = query.where('person_id', '=', personId);
    const now = Date.now();
    return (await query.execute())
      .filter((row) => endOf(row, now) === null)
      .map((row) => sessionOf(row, { id: row.person_id, name: row.person_name }));
  }

  /** Ends one's own session. Ending one that is not there is no error. */
  async logout(session: PersonSession, person: Person): Promise<void> {
    await this.#end(session.id, 'person.logout', personActor(person));
  }

  /**
   * Ends a session of somebody.
   *
   * @param personId whose it must be; null for anybody's
   * @throws PosternError POSTERN_NOT_FOUND
   */
  async end(actor: Actor, id: string, reason: string, personId: string | null): Promise<void> {
    const why = checkReason(reason);
    if (!(await this.#end(id, 'person.session_ended', actor, why, personId))) {
      throw new PosternError('POSTERN_NOT_FOUND', `There is no session ${JSON.stringify(id)}.`);
    }
  }

  /** Records and forgets what has come to its end, every few seconds. Returns how many. */
  async expire(): Promise<number> {
    const now = Date.now();
    if (now < this.#sweptAt + SWEEP_MS) return 0;
    this.#sweptAt = now;
    const rows = await this.#db.selectFrom('person_sessions').selectAll().execute();
    let count = 0;
    for (const row of rows) {
      const why = endOf(row, now);
      if (why !== null && (await this.#end(row.id, 'person.session_ended', SYSTEM, why))) count += 1;
    }
    return count;
  }

  async #makeRoom(person: Person): Promise<void> {
    const rows = await this.#db
      .selectFrom('person_sessions')
      .selectAll()
      .where('person_id', '=', person.id)
      .orderBy('id')
      .execute();
    for (const row of rows.slice(0, Math.max(0, rows.length - MOST_SESSIONS + 1))) {
      await this.#write(recordOf('person.session_ended', SYSTEM, person, row, 'too many sessions'));
      await this.#db.deleteFrom('person_sessions').where('id', '=', row.id).execute();
    }
  }

  #end(
    id: string,
    type: RecordType,
    actor: Actor,
    reason?: string,
    personId: string | null = null,
  ): Promise<boolean> {
    return this.#changes.exclusive(async () => {
      const row = await this.#db
        .selectFrom('person_sessions')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      if (row === undefined || (personId !== null && row.person_id !== personId)) return false;
      const person = await findPerson(this.#db, row.person_id);
      // What is taken away is taken away first: a session must not live on because a record cannot be written.
      await this.#db.deleteFrom('person_sessions').where('id', '=', id).execute();
      await this.#write(
        recordOf(type, actor, person ?? { id: row.person_id, name: row.person_id }, row, reason),
      );
      return true;
    });
  }
}

/** Why a session has ended; null while it has not. */
function endOf(row: PersonSessionTable, now: number): string | null {
  if (Date.parse(row.expires_at) <= now) return 'its time is over';
  if (Date.parse(row.last_used_at) + row.idle_seconds * 1000 <= now) return 'not used';
  return null;
}

function recordOf(
  type: RecordType,
  actor: Actor,
  person: Ref,
  row: PersonSessionTable,
  reason?: string,
): SignInRecord {
  return {
    id: uuidv7(),
    time: rfc3339(nowMicros()),
    type,
    actor,
    person: { id: person.id, name: person.name },
    login: {
      session: row.id,
      kind: row.kind,
      method: row.method,
      provider: providerOf(row),
      source: row.source,
      authenticatedAt: row.authenticated_at,
      expiresAt: row.expires_at,
    },
    ...(reason !== undefined && { reason }),
  };
}

const providerOf = (row: PersonSessionTable): Ref | null =>
  row.provider === null ? null : (JSON.parse(row.provider) as Ref);

function sessionOf(row: PersonSessionTable, person: Ref): PersonSession {
  const idleEnd = Date.parse(row.last_used_at) + row.idle_seconds * 1000;
  return {
    id: row.id,
    person: { id: person.id, name: person.name },
    kind: row.kind,
    method: row.method,
    provider: providerOf(row),
    source: row.source,
    authenticatedAt: row.authenticated_at,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    idleEndsAt: atMillis(Math.min(idleEnd, Date.parse(row.expires_at))),
    expiresAt: row.expires_at,
  };
}

const refused = (): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', 'You are not signed in, or your session has ended.');
