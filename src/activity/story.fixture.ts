/** A small but complete history for tests: people, principals, a resource, grants, sessions, commands, a revocation. */
import { join } from 'node:path';
import { uuidv7 } from '../core/ids.ts';
import type { Actor, Payload, RecordBase, Ref } from '../core/record.ts';
import { rfc3339 } from '../core/time.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { PublishedLog } from '../ledger/published-log.ts';
import type { IndexedEntry } from '../ledger/tiles.ts';
import { IndexFollower } from './index-follower.ts';

export interface Told {
  readonly record: RecordBase & Readonly<Record<string, unknown>>;
  readonly payloads: readonly Payload[];
}

/** 2026-11-21T19:30:00Z, in microseconds. */
export const STORY_START = 1_795_289_400_000_000;

/** Tells a history record by record, a millisecond apart. */
export class Story {
  readonly told: Told[] = [];
  readonly ana: Ref = { id: uuidv7(), name: 'Ana Admin' };
  readonly olaf: Ref = { id: uuidv7(), name: 'Olaf Owner' };
  readonly database: Ref = { id: uuidv7(), name: 'ledger-db' };
  #now = STORY_START;

  /** Moves the clock. */
  wait(micros: number): this {
    this.#now += micros;
    return this;
  }

  get time(): string {
    return rfc3339(this.#now);
  }

  tell(
    type: RecordBase['type'],
    actor: Actor,
    principal: Ref | null,
    rest: object,
    payloads: readonly Payload[] = [],
  ): string {
    this.#now += 1000;
    const id = uuidv7();
    const base = { id, time: this.time, type, actor, ...(principal === null ? {} : { principal }) };
    this.told.push({ record: { ...base, ...rest }, payloads });
    return id;
  }

  get admin(): Actor {
    return { kind: 'person', ...this.ana };
  }

  people(): this {
    for (const [ref, roles] of [
      [this.ana, ['admin']],
      [this.olaf, ['owner']],
    ] as const) {
      const after = {
        id: ref.id,
        name: ref.name,
        email: `${ref.name.split(' ')[0]?.toLowerCase()}@bank.example`,
        roles,
        status: 'active',
        createdAt: this.time,
      };
      this.tell('person.created', this.admin, null, {
        change: { entity: 'person', id: ref.id, before: null, after },
      });
    }
    return this;
  }

  resource(): this {
    const after = {
      id: this.database.id,
      name: this.database.name,
      protocol: 'postgres',
      host: '10.0.0.5',
      port: 5432,
      database: 'bank',
      environment: 'production',
      classification: 'confidential',
      status: 'active',
      createdAt: this.time,
    };
    this.tell('resource.created', this.admin, null, {
      change: { entity: 'resource', id: after.id, before: null, after },
    });
    return this;
  }

  principal(name: string, purpose = 'Books the day'): Ref {
    const ref = { id: uuidv7(), name };
    const after = {
      ...ref,
      kind: 'service_account',
      owner: this.olaf,
      backupOwner: this.ana,
      purpose,
      environment: 'production',
      status: 'active',
      createdAt: this.time,
    };
    this.tell('principal.created', this.admin, ref, {
      change: { entity: 'principal', id: ref.id, before: null, after },
    });
    return ref;
  }

  /** Gives the principal another owner. */
  handOver(principal: Ref, owner: Ref): void {
    const before = this.last('principal', principal.id);
    this.tell('principal.updated', this.admin, principal, {
      change: { entity: 'principal', id: principal.id, before, after: { ...before, owner } },
    });
  }

  grant(principal: Ref, ticket = 'CHG-1042', hours = 2): string {
    const id = uuidv7();
    const start = this.#now;
    const after = {
      id,
      principal,
      resource: this.database,
      scope: 'insert, select on ledger.*',
      start: rfc3339(start),
      end: rfc3339(start + hours * 3_600_000_000),
      status: 'active',
      endReason: null,
      endedAt: null,
      authority: { kind: 'approval', approvers: [this.ana], ticket, justification: 'Nightly run' },
      createdAt: this.time,
    };
    this.tell('grant.activated', this.admin, principal, {
      change: { entity: 'grant', id, before: null, after },
    });
    return id;
  }

  revoke(principal: Ref, grant: string, reason: string): void {
    const before = this.last('grant', grant);
    const after = { ...before, status: 'revoked', endReason: reason, endedAt: rfc3339(this.#now + 1000) };
    this.tell('grant.revoked', this.admin, principal, {
      change: { entity: 'grant', id: grant, before, after },
      reason,
    });
  }

  credential(principal: Ref, grant: string): string {
    const id = uuidv7();
    const after = {
      id,
      principal,
      grant,
      kind: 'password',
      expiresAt: rfc3339(this.#now + 3_600_000_000),
      status: 'active',
    };
    this.tell('credential.issued', this.admin, principal, {
      change: { entity: 'credential', id, before: null, after },
    });
    return id;
  }

  open(principal: Ref, grant: string, credential: string, more: object = {}): string {
    const session = uuidv7();
    this.tell('session.opened', { kind: 'principal', ...principal }, principal, {
      ...this.#session(session),
      credential,
      grants: [grant],
      tls: { client: 'TLSv1.3', upstream: 'TLSv1.3' },
      database: 'bank',
      upstreamUser: 'ledger_app',
      upstreamIdentity: 'fixed',
      client: 'psql',
      ...more,
    });
    return session;
  }

  close(principal: Ref, session: string, commands: number, denied: number, reason = 'client'): void {
    this.tell('session.closed', { kind: 'principal', ...principal }, principal, {
      ...this.#session(session),
      reason,
      durationUs: 5000,
      commands,
      denied,
    });
  }

  intent(principal: Ref, session: string, grant: string, verb: string, object: string, sql: string): string {
    return this.tell(
      'command.intent',
      { kind: 'principal', ...principal },
      principal,
      {
        session,
        resource: this.database,
        protocol: 'postgres',
        verbs: [verb],
        objects: [object],
        fingerprint: `f${verb}${object}`,
        grant,
        decision: { effect: 'allow', rule: 'insert, select on ledger.*' },
      },
      [{ kind: 'statement', data: Buffer.from(sql) }],
    );
  }

  outcome(
    principal: Ref,
    session: string,
    intent: string,
    rows = 1,
    status = 'ok',
    code = 'SELECT 1',
  ): string {
    return this.tell('command.outcome', { kind: 'principal', ...principal }, principal, {
      session,
      resource: this.database,
      intent,
      status,
      code,
      rows,
      bytes: rows * 20,
      durationUs: 420,
    });
  }

  run(principal: Ref, session: string, grant: string, verb: string, object: string, sql: string): string {
    const id = this.intent(principal, session, grant, verb, object, sql);
    this.outcome(principal, session, id);
    return id;
  }

  deny(principal: Ref, session: string, verb: string, object: string, sql: string): string {
    return this.tell(
      'command.denied',
      { kind: 'principal', ...principal },
      principal,
      {
        session,
        resource: this.database,
        protocol: 'postgres',
        verbs: [verb],
        objects: [object],
        fingerprint: null,
        decision: {
          effect: 'deny',
          code: 'POSTERN_SCOPE_DENIED',
          reason: `No grant covers ${verb} on ${object}.`,
        },
      },
      [{ kind: 'statement', data: Buffer.from(sql) }],
    );
  }

  last(entity: string, id: string): Readonly<Record<string, unknown>> {
    for (const { record } of this.told.toReversed()) {
      const change = record.change as
        | { entity: string; id: string; after: Record<string, unknown> }
        | undefined;
      if (change?.entity === entity && change.id === id) return change.after;
    }
    throw new Error(`${entity} ${id} is not in the story`);
  }

  #session(session: string): object {
    return { session, resource: this.database, protocol: 'postgres', source: '10.1.1.7:50412' };
  }
}

/** Brings the index of a data directory up to what its log has released. */
export function indexAll(dataDir: string): void {
  IndexFollower.open(dataDir, new PublishedLog(join(dataDir, 'log')).size).close();
}

/** The leaves of a story as the index gets them. */
export function leavesOf(told: readonly Told[], from = 0): IndexedEntry[] {
  return told.map(({ record }, i) => {
    const leaf: LeafRecord = { ...record, v: 1, leaf: from + i };
    return { index: from + i, entry: Buffer.from(JSON.stringify(leaf)) };
  });
}
