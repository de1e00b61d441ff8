import { PosternError } from '../core/errors.ts';
import type { Actor } from '../core/record.ts';
import { newPassword, scramKeys, scramSalt } from '../core/scram.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { SCRAM_ITERATIONS } from '../core/views.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Binding, BindingOf, Person } from '../store/entities.ts';
import { dueBindings, findBinding, findPerson, findPrincipal, found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { newBinding, removedBinding } from './bindings.ts';
import { checkReason, checkTime } from './input.ts';
import { personActor, SYSTEM } from './persons.ts';

/** No exception lasts longer without being decided again. */
const LIFE_MAX_MS = 365 * 86_400_000;

export interface NewSecret {
  readonly principal: string;
  /** Why nothing better is possible. */
  readonly reason: string;
  /** Who is asked to agree: somebody else, with the role approver or admin. */
  readonly approver: string;
  readonly expiresAt: string;
}

/**
 * Static secrets: the exception where a client can prove itself in no other way. One person asks, another one who was named agrees;
 * until then, and after its end, the secret opens nothing. It shows in every evidence package for as long as it lives.
 */
export class StaticSecrets {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #saltSecret: Buffer;

  constructor(db: StateDb, changes: ChangeLog, saltSecret: Buffer) {
    this.#db = db;
    this.#changes = changes;
    this.#saltSecret = saltSecret;
  }

  /**
   * Asks for a static secret.
   *
   * @returns the secret too, shown once: only its SCRAM verifier is kept
   * @throws PosternError POSTERN_INVALID; POSTERN_NOT_FOUND
   */
  request(
    actor: Actor,
    input: NewSecret,
  ): Promise<{ readonly binding: Binding; readonly username: string; readonly password: string }> {
    const reason = checkReason(input.reason);
    const expiresAt = checkTime(input.expiresAt, 'expiry');
    return this.#changes.run(actor, async (db) => {
      const approver = found(await findPerson(db, input.approver), 'person', input.approver);
      if (approver.id === actor.id)
        throw new PosternError('POSTERN_INVALID', 'Whoever asks for a static secret does not approve it.');
      requireApprover(approver);
      const principal = found(await findPrincipal(db, input.principal), 'principal', input.principal);
      const left = Date.parse(expiresAt) - Date.now();
      if (left <= 0) throw new PosternError('POSTERN_INVALID', 'The expiry lies in the past.');
      if (left > LIFE_MAX_MS)
        throw new PosternError('POSTERN_INVALID', 'A static secret lives for 365 days at most.');
      if (principal.expiresAt !== null && principal.expiresAt < expiresAt)
        throw new PosternError('POSTERN_INVALID', `${principal.name} itself ends at ${principal.expiresAt}.`);
      const binding: Binding = {
        ...(await newBinding(db, principal.id, {
          ...{ kind: 'secret', reason, approvedAt: null, expiresAt },
          requestedBy: { id: actor.id, name: actor.name },
          approver: { id: approver.id, name: approver.name },
        })),
        status: 'requested',
      };
      const password = newPassword();
      const keys = await scramKeys(password, scramSalt(this.#saltSecret, principal.name), SCRAM_ITERATIONS);
      return {
        changes: [
          {
            ...{ type: 'binding.created', entity: 'binding', before: null, after: binding, reason },
            principal: binding.principal,
          },
        ],
        secrets: async (tx) => {
          await tx
            .insertInto('credential_verifiers')
            .values({ credential_id: binding.id, stored_key: keys.storedKey, server_key: keys.serverKey })
            .execute();
        },
        result: { binding, username: principal.name, password },
      };
    });
  }

  /**
   * Agrees to one. From now on it opens sessions.
   *
   * @throws PosternError POSTERN_FORBIDDEN for anybody but the person who was named; POSTERN_CONFLICT when it waits for nobody
   */
  approve(person: Person, id: string): Promise<Binding> {
    return this.#changes.run(personActor(person), async (db) => {
      const before = await waiting(db, id, person);
      const principal = found(await findPrincipal(db, before.principal.id), 'principal', before.principal.id);
      if (principal.owner.id === person.id || principal.backupOwner?.id === person.id)
        throw new PosternError(
          'POSTERN_FORBIDDEN',
          `${person.name} answers for ${principal.name} and cannot approve its secret.`,
        );
      const at = rfc3339(nowMicros());
      if (before.expiresAt <= at)
        throw new PosternError('POSTERN_CONFLICT', `The request ended at ${before.expiresAt}.`);
      const after: Binding = { ...before, status: 'active', approvedAt: at };
      const change: Change = {
        ...{ type: 'binding.approved', entity: 'binding', before, after },
        principal: before.principal,
      };
      return { changes: [change], result: after };
    });
  }

  /** Does not agree: the request is over. @throws PosternError as `approve` */
  decline(person: Person, id: string, reason: string): Promise<Binding> {
    const why = checkReason(reason);
    return this.#changes.run(personActor(person), async (db) => {
      const change = removedBinding(await waiting(db, id, person), rfc3339(nowMicros()), why);
      return { changes: [change], result: change.after as Binding };
    });
  }

  /** Records those whose end has come, and key pairs that nobody joined in time. Returns how many. */
  async expire(): Promise<number> {
    const over = await dueBindings(this.#db, rfc3339(nowMicros()));
    for (const id of over) await this.#expire(id);
    return over.length;
  }

  #expire(id: string): Promise<void> {
    return this.#changes.run(SYSTEM, async (db) => {
      const before = await findBinding(db, id);
      if (before === undefined || !isOver(before)) return { changes: [], result: undefined };
      const reason = before.kind === 'secret' ? 'its time is over' : 'nobody joined in time';
      const after: Binding = {
        ...before,
        status: 'expired',
        endReason: reason,
        endedAt: rfc3339(nowMicros()),
      };
      const change: Change = {
        ...{ type: 'binding.expired', entity: 'binding', before, after, reason },
        principal: before.principal,
      };
      return { changes: [change], result: undefined };
    });
  }
}

function isOver(binding: Binding): boolean {
  const now = rfc3339(nowMicros());
  if (binding.status !== 'requested' && binding.status !== 'active') return false;
  if (binding.kind === 'secret') return binding.expiresAt <= now;
  return binding.kind === 'key' && binding.status === 'requested' && binding.joinBy <= now;
}

function requireApprover(person: Person): void {
  if (person.status !== 'active' || !person.roles.some((role) => role === 'approver' || role === 'admin'))
    throw new PosternError(
      'POSTERN_INVALID',
      `${person.name} cannot approve it: an approver is an active person with the role approver or admin.`,
    );
}

/** A secret that waits for this very person. */
async function waiting(db: StateDb, id: string, person: Person): Promise<BindingOf<'secret'>> {
  const before = found(await findBinding(db, id), 'binding', id);
  if (before.kind !== 'secret' || before.status !== 'requested')
    throw new PosternError('POSTERN_CONFLICT', `The binding ${id} waits for nobody's approval.`);
  if (before.approver.id !== person.id || before.requestedBy.id === person.id)
    throw new PosternError(
      'POSTERN_FORBIDDEN',
      `${before.approver.name} was asked to approve it, nobody else.`,
    );
  requireApprover(found(await findPerson(db, person.id), 'person', person.id));
  return before;
}
