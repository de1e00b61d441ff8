import { PosternError } from '../../core/errors.ts';
import { uuidv7 } from '../../core/ids.ts';
import type { Actor } from '../../core/record.ts';
import { rfc3339 } from '../../core/time.ts';
import type { OwnTraces, Survey } from '../../core/upstream-facts.ts';
import type { ResourceView } from '../../core/views.ts';
import { checkReason, checkTime } from '../../identity/input.ts';
import type { Change, ChangeLog } from '../../store/changes.ts';
import type { Reconciliation, Resource, Unmanaged, UnmanagedDisposition } from '../../store/entities.ts';
import { findPerson, found, listPersons, type Page } from '../../store/queries.ts';
import {
  findUnmanaged,
  lastReconciliation,
  listReconciliations,
  listUnmanaged,
  type ReconciliationFilter,
  type UnmanagedFilter,
} from '../../store/reconciliations.ts';
import type { StateDb } from '../../store/store.ts';
import { refOf } from '../request-outcomes.ts';
import type { Resources } from '../resources.ts';
import { balance, type Recorded } from './balance.ts';
import { compare } from './compare.ts';
import { merge } from './merge.ts';

const ACCEPTED_MAX_MS = 366 * 86_400_000;

/** What a reconciliation asks of the rest of Postern. */
export interface ReconcileWorld {
  /** Has a worker ask the resource; with what the workers do there themselves, before and after. */
  survey(resource: ResourceView): Promise<{
    readonly survey: Survey;
    readonly before: readonly OwnTraces[] | null;
    readonly after: readonly OwnTraces[] | null;
  }>;
  /** What was let through on resources (ids) so far, all that is journalled included. */
  recorded(resources: readonly string[]): Promise<Recorded>;
}

export interface Disposal {
  readonly kind: UnmanagedDisposition['kind'];
  readonly reason: string;
  /** RFC 3339; of what is accepted. */
  readonly until?: string | undefined;
  /** Person; of what is adopted. */
  readonly owner?: string | undefined;
}

/** Completeness against the upstream: what can reach a resource, and does, without Postern. */
export class Reconciliations {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #resources: Resources;
  readonly #clock: () => number;
  /** By resource: one at a time, who asks meanwhile gets that one. */
  readonly #running = new Map<string, Promise<Reconciliation>>();

  /** @param clock microseconds since the Unix epoch */
  constructor(db: StateDb, changes: ChangeLog, resources: Resources, clock: () => number) {
    this.#db = db;
    this.#changes = changes;
    this.#resources = resources;
    this.#clock = clock;
  }

  /**
   * Compares a resource with what Postern knows. That it cannot be asked is an outcome too, and recorded.
   *
   * @throws PosternError POSTERN_NOT_FOUND; POSTERN_CONFLICT for a resource that is retired
   */
  async run(actor: Actor, ref: string, world: ReconcileWorld): Promise<Reconciliation> {
    const resource = await this.#resources.get(ref);
    if (resource.status !== 'active') {
      throw new PosternError('POSTERN_CONFLICT', `${resource.name} is ${resource.status}.`);
    }
    const running = this.#running.get(resource.id);
    if (running !== undefined) return running;
    const run = this.#run(actor, resource, world).finally(() => this.#running.delete(resource.id));
    this.#running.set(resource.id, run);
    return run;
  }

  async #run(actor: Actor, resource: Resource, world: ReconcileWorld): Promise<Reconciliation> {
    const peers = (await this.#resources.list()).filter((each) => atSameServer(each, resource));
    const ids = peers.map(({ id }) => id);
    const before = await world.recorded(ids);
    const asked = await world.survey(await this.#resources.view(resource));
    const after = await world.recorded(ids);
    const { survey } = asked;
    const traces = asked.before && asked.after && [...asked.before, ...asked.after];
    const own = {
      users: peers.map(({ upstream }) => upstream.user),
      admins: peers.flatMap(({ admin }) => admin?.user ?? []),
      traces,
      asked: asked.before,
      askedAfter: asked.after,
    };
    return this.#changes.run(actor, async (db) => {
      const at = rfc3339(this.#clock());
      const made = { id: uuidv7(), resource: refOf(resource), at, administering: resource.admin !== null };
      if (survey.outcome === 'failed') {
        const failed: Reconciliation = { ...made, ...NOTHING, status: 'failed', why: survey.why };
        return { changes: [reconciled(failed)], result: failed };
      }
      const { facts } = survey;
      const last = await lastReconciliation(db, resource.id, true);
      const seen = compare(facts, own);
      const counted = balance(facts, own, { before, after }, seen.busy, last);
      const all = [...seen.found, ...counted.found];
      const active = await activePeople(db);
      const known = await listUnmanaged(db, { resource: resource.id });
      const { changes, untold } = merge(resource, known, all, at, seen.allAccounts, active);
      const count = (kind: Unmanaged['kind']): number => all.filter((each) => each.kind === kind).length;
      const done: Reconciliation = {
        ...made,
        status: 'done',
        why: null,
        server: facts.version,
        user: facts.user,
        accounts: facts.accounts.length,
        connections: facts.connections.length,
        found: {
          account: count('account'),
          connection: count('connection'),
          statements: count('statements'),
        },
        bounds: [
          ...seen.bounds,
          ...counted.bounds,
          ...(untold > 0 ? [`${untold} more are told by the next reconciliation.`] : []),
        ],
        balances: counted.balances,
        counts: counted.counts,
      };
      return { changes: [reconciled(done), ...changes], result: done };
    });
  }

  /**
   * Says what becomes of something that is not Postern's: it is accepted until then, somebody answers for it from now on, or it was put
   * right, and opens again where it is found again.
   *
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID; POSTERN_CONFLICT where it is gone, or a person is not active
   */
  async dispose(actor: Actor, id: string, input: Disposal): Promise<Unmanaged> {
    const reason = checkReason(input.reason);
    const { kind } = input;
    if ((kind === 'accepted') !== (input.until !== undefined)) {
      throw new PosternError('POSTERN_INVALID', 'What is accepted, and only that, is accepted until a time.');
    }
    if ((kind === 'adopted') !== (input.owner !== undefined)) {
      throw new PosternError('POSTERN_INVALID', 'What is adopted, and only that, has an owner.');
    }
    return this.#changes.run(actor, async (db) => {
      const now = this.#clock();
      const before = found(await findUnmanaged(db, id), 'unmanaged', id);
      if (before.status === 'gone') {
        throw new PosternError('POSTERN_CONFLICT', `${before.subject} is not there any more.`);
      }
      const until = input.until === undefined ? null : checkUntil(input.until, now);
      const disposition: UnmanagedDisposition = {
        kind,
        by: { id: actor.id, name: actor.name },
        at: rfc3339(now),
        reason,
        until,
        owner: await ownerOf(db, before, input.owner),
      };
      const after: Unmanaged = { ...before, status: kind, reopened: null, disposition };
      return {
        changes: [{ type: 'unmanaged.disposed', entity: 'unmanaged', before, after, reason }],
        result: after,
      };
    });
  }

  /** Active resources that were not asked for so long. @param everyMs also from their making on */
  async due(everyMs: number): Promise<readonly Resource[]> {
    const due: Resource[] = [];
    for (const resource of await this.#resources.list()) {
      if (resource.status !== 'active' || resource.protocol !== 'postgres') continue;
      const last = await lastReconciliation(this.#db, resource.id);
      const since = Date.parse(last?.at ?? resource.createdAt);
      if (this.#clock() / 1000 - since >= everyMs) due.push(resource);
    }
    return due;
  }

  list(filter: ReconciliationFilter, page: Page): Promise<Reconciliation[]> {
    return listReconciliations(this.#db, filter, page);
  }

  unmanaged(filter: UnmanagedFilter, page?: Page): Promise<Unmanaged[]> {
    return listUnmanaged(this.#db, filter, page);
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Unmanaged> {
    return found(await findUnmanaged(this.#db, id), 'unmanaged', id);
  }
}

const NOTHING = {
  server: null,
  user: null,
  accounts: 0,
  connections: 0,
  found: { account: 0, connection: 0, statements: 0 },
  bounds: [],
  balances: [],
  counts: null,
} as const;

const reconciled = (after: Reconciliation): Change => ({
  type: 'resource.reconciled',
  entity: 'reconciliation',
  before: null,
  after,
});

/** By the address as it is written: a server with two names counts as two. */
const atSameServer = (a: Resource, b: Resource): boolean =>
  a.protocol === b.protocol && a.host.toLowerCase() === b.host.toLowerCase() && a.port === b.port;

async function activePeople(db: StateDb): Promise<(person: string) => boolean> {
  const people = (await listPersons(db)).filter(({ status }) => status === 'active');
  const ids = new Set(people.map(({ id }) => id));
  return (id) => ids.has(id);
}

async function ownerOf(db: StateDb, what: Unmanaged, ref: string | undefined) {
  if (ref === undefined) return null;
  if (what.kind !== 'account') {
    throw new PosternError('POSTERN_INVALID', 'Only an account is adopted: accept it, or put it right.');
  }
  const person = found(await findPerson(db, ref), 'person', ref);
  if (person.status !== 'active') {
    throw new PosternError('POSTERN_CONFLICT', `${person.name} is ${person.status}.`);
  }
  if (!person.roles.some((role) => role === 'owner' || role === 'admin')) {
    throw new PosternError('POSTERN_INVALID', `${person.name} has not the role owner.`);
  }
  return refOf(person);
}

function checkUntil(text: string, now: number): string {
  const until = checkTime(text, 'end');
  const ms = Date.parse(until);
  if (ms <= now / 1000 || ms > now / 1000 + ACCEPTED_MAX_MS) {
    throw new PosternError('POSTERN_INVALID', 'It is accepted until a time to come, within 366 days.');
  }
  return until;
}
