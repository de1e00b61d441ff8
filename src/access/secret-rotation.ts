import { randomBytes } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { scramVerifier } from '../core/scram.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ResourceView } from '../core/views.ts';
import { checkReason } from '../identity/input.ts';
import { SYSTEM } from '../identity/persons.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { Resource } from '../store/entities.ts';
import { findResource, found, listResources } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { LOGINS, type LoginKind, type PendingSecret, type ResourceSecrets } from './resource-secrets.ts';

/** What came of a login at a resource, and of a change there. */
export type DoorAnswer =
  | { readonly outcome: 'done' }
  /** The server does not take the password. */
  | { readonly outcome: 'refused'; readonly why: string }
  | { readonly outcome: 'failed'; readonly why: string };

/**
 * Logs in at a resource with its upstream credential and, where `change` is given, makes the verifier the password of that user. The
 * password itself is not sent: the server's log and memory never have it.
 */
export type UpstreamDoor = (
  resource: ResourceView,
  change: { readonly user: string; readonly verifier: string } | null,
) => Promise<DoorAnswer>;

export interface RotationOptions {
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly secrets: ResourceSecrets;
  /** The resource as workers know it. */
  readonly view: (resource: Resource) => Promise<ResourceView>;
  /** Tells the workers of the passwords as they are; only while no change is under way. */
  readonly tell: (resource: Resource) => Promise<void>;
  readonly door: UpstreamDoor;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** A rotation that did not come to its end. */
interface Failure {
  readonly why: string;
  readonly since: number;
  readonly times: number;
  readonly next: number;
}

const SWEEP_MS = 15_000;
const RETRY_MS = { first: 60_000, longest: 3_600_000 };

/**
 * Replaces passwords at the resources. The new one is stored before the server hears of it, and from then until the change is recorded
 * workers log in with whichever of the two the server takes: at no moment, and after no crash, is there a password that nobody knows.
 * The steps can be repeated from any point, with the same new password.
 */
export class SecretRotation {
  readonly #options: RotationOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #running = new Map<string, Promise<unknown>>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /**
   * Replaces a password now.
   *
   * @throws PosternError POSTERN_CONFLICT where there is none to replace here; POSTERN_UPSTREAM_UNAVAILABLE where the server does not
   * take the change: sessions go on and begin as before, and it is tried again
   */
  async rotate(actor: Actor, ref: string, login: LoginKind, reason: string): Promise<Resource> {
    const why = checkReason(reason);
    const resource = found(await findResource(this.#options.db, ref), 'resource', ref);
    return this.#alone(resource.id, login, () => this.#attempt(resource.id, login, actor, why));
  }

  /** Begins to finish what was interrupted and to do what is due. */
  start(): void {
    if (this.#timer !== null) return;
    const sweep = (): void => void this.sweep();
    this.#timer = setInterval(sweep, SWEEP_MS).unref();
    sweep();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.allSettled(this.#running.values());
  }

  /** How many passwords could not be replaced when that was tried last. */
  get failing(): number {
    return this.#failures.size;
  }

  /** What of a resource did not come to its end, in words. */
  faultsOf(resource: string): string[] {
    return [...this.#failures]
      .filter(([key]) => key.startsWith(resource))
      .map(
        ([, { why, since, next }]) =>
          `${why} (since ${new Date(since).toISOString()}, next try ${new Date(next).toISOString()})`,
      );
  }

  /** Finishes what was interrupted and does what is due, each unless it failed a short while ago. Never throws. */
  async sweep(): Promise<void> {
    const { db, secrets } = this.#options;
    let active: Resource[];
    let pending: PendingSecret[];
    try {
      active = await listResources(db, { status: 'active' });
      pending = await secrets.allPending();
    } catch {
      return; // The database is closed, or its disk fails, which other sweeps tell.
    }
    for (const key of this.#failures.keys()) {
      const known = active.some(({ id }) => key.startsWith(id));
      if (!known) this.#failures.delete(key);
    }
    for (const resource of active) {
      for (const login of LOGINS) {
        const begun = pending.find((each) => each.resource === resource.id && each.login === login);
        if (begun === undefined && !this.#isDue(resource, login)) continue;
        if ((this.#failures.get(keyOf(resource.id, login))?.next ?? 0) > this.#now()) continue;
        const actor = begun?.actor ?? SYSTEM;
        const reason = begun?.reason ?? 'the time of the password was over';
        const attempt = (): Promise<Resource> => this.#attempt(resource.id, login, actor, reason);
        // What fails is remembered and told.
        await this.#alone(resource.id, login, attempt).catch(() => undefined);
      }
    }
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #isDue({ rotateSeconds, ...resource }: Resource, login: LoginKind): boolean {
    const held = resource[login];
    if (rotateSeconds === null || held === null || held.source !== null) return false;
    return Date.parse(held.since) + rotateSeconds * 1000 <= this.#now();
  }

  /** One at a time for each password. */
  #alone(resource: string, login: LoginKind, work: () => Promise<Resource>): Promise<Resource> {
    const key = keyOf(resource, login);
    const before = this.#running.get(key) ?? Promise.resolve();
    const turn = before.then(work, work).then(
      (done) => {
        this.#failures.delete(key);
        return done;
      },
      (error: unknown) => {
        this.#failed(key, error);
        throw error;
      },
    );
    this.#running.set(key, turn);
    const done = (): void => {
      if (this.#running.get(key) === turn) this.#running.delete(key);
    };
    turn.then(done, done);
    return turn;
  }

  #failed(key: string, error: unknown): void {
    // What the caller asked wrongly is theirs alone.
    if (error instanceof PosternError && error.code !== 'POSTERN_UPSTREAM_UNAVAILABLE') return;
    const before = this.#failures.get(key);
    const times = (before?.times ?? 0) + 1;
    const pause = Math.min(RETRY_MS.first * 2 ** (times - 1), RETRY_MS.longest);
    const now = this.#now();
    const why = error instanceof Error ? error.message : String(error);
    this.#failures.set(key, { why, since: before?.since ?? now, times, next: now + pause });
  }

  async #attempt(id: string, login: LoginKind, actor: Actor, reason: string): Promise<Resource> {
    const { changes, secrets, tell, db } = this.#options;
    if (this.#closed) throw new PosternError('POSTERN_SHUTTING_DOWN', 'Postern is shutting down.');
    const pending = await changes.exclusive(async () => {
      const resource = replaceable(found(await findResource(db, id), 'resource', id), login);
      const begun =
        (await secrets.pending(id, login)) ?? (await secrets.prepare(resource, login, actor, reason));
      // From here on a new session finds its way in, whichever of the two the server has.
      await tell(resource);
      return begun;
    });
    const resource = found(await findResource(db, id), 'resource', id);
    await this.#change(resource, login, await secrets.open(login, pending.id, resource.name));
    return this.#settle(resource, login, pending);
  }

  /** Has the server take the new password, and shows that it does. */
  async #change(resource: Resource, login: LoginKind, password: string): Promise<void> {
    const { door, view } = this.#options;
    const now = await view(resource);
    const held = now[login];
    if (held === null) throw new PosternError('POSTERN_CONFLICT', `${resource.name} has no such credential.`);
    const { user } = held;
    const as = (who: { readonly user: string; readonly password: string }): ResourceView => ({
      ...now,
      upstream: { user: who.user, password: who.password },
      admin: null,
    });
    const anew = as({ user, password });
    // An attempt of before may have come through although nobody heard of it.
    if ((await door(anew, null)).outcome === 'done') return;
    const change = { user, verifier: await scramVerifier(password, randomBytes(16)) };
    let answer = await door(as(held), change);
    if (answer.outcome !== 'done' && login === 'upstream' && now.admin !== null)
      answer = await door(as(now.admin), change);
    const tried = answer.outcome === 'done' ? await door(anew, null) : answer;
    if (tried.outcome === 'done') return;
    throw new PosternError(
      'POSTERN_UPSTREAM_UNAVAILABLE',
      `The password of ${user} on ${resource.name} could not be replaced: ${tried.why}`,
      'Sessions go on with the one that the server has. It is tried again by itself.',
    );
  }

  #settle(resource: Resource, login: LoginKind, pending: PendingSecret): Promise<Resource> {
    const { changes, secrets } = this.#options;
    return changes.run(pending.actor, async (db) => {
      const before = found(await findResource(db, resource.id), 'resource', resource.name);
      const held = replaceable(before, login)[login];
      if ((await secrets.pending(before.id, login))?.id !== pending.id || held === null)
        throw new PosternError('POSTERN_CONFLICT', `The password of ${before.name} was changed meanwhile.`);
      const after: Resource = {
        ...before,
        [login]: { ...held, secret: pending.id, since: rfc3339(nowMicros()) },
      };
      return {
        changes: [
          {
            ...{ type: 'resource.secret_rotated', entity: 'resource', before, after },
            reason: pending.reason,
          } as const,
        ],
        beside: async (tx) => {
          await secrets.settle(tx, pending);
          await secrets.forget(tx, login, held.secret);
        },
        result: after,
      };
    });
  }
}

const keyOf = (resource: string, login: LoginKind): string => `${resource} ${login}`;

/** @throws PosternError POSTERN_CONFLICT where it has no password of Postern's own */
function replaceable(resource: Resource, login: LoginKind): Resource {
  const held = resource[login];
  if (resource.status !== 'active')
    throw new PosternError('POSTERN_CONFLICT', `${resource.name} is retired.`);
  if (held === null) {
    throw new PosternError('POSTERN_CONFLICT', `${resource.name} has no administering credential.`);
  }
  if (held.source !== null) {
    throw new PosternError(
      'POSTERN_CONFLICT',
      `The password of ${held.user} on ${resource.name} is kept elsewhere, at ${held.source}.`,
      'Change it there.',
    );
  }
  return resource;
}
