import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Binding, KeySource } from '../store/entities.ts';
import { findBinding, findPrincipal, found, listBindings, listPrincipals } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { type DetailsOf, overlaps } from './binding-kinds.ts';
import { checkReason } from './input.ts';
import { checkOidc, type OidcInput, requireOneSource } from './oidc-binding.ts';

const BINDINGS_MAX = 16;

/** What is asked for, by kind. */
export type BindingInput = OidcInput;

export type NewBinding = BindingInput & {
  readonly principal: string;
  readonly reason?: string | undefined;
};

/** How principals prove themselves without a secret of Postern's. */
export class Bindings {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #prepare: (issuer: string, source: KeySource) => Promise<void>;

  /** @param prepare gets hold of the issuer's keys, or throws: a binding to an issuer that cannot be asked is a mistake */
  constructor(
    db: StateDb,
    changes: ChangeLog,
    prepare: (issuer: string, source: KeySource) => Promise<void>,
  ) {
    this.#db = db;
    this.#changes = changes;
    this.#prepare = prepare;
  }

  /**
   * Binds a principal to what proves it from now on.
   *
   * @throws PosternError POSTERN_INVALID, also where an issuer cannot be asked for its keys; POSTERN_CONFLICT where what fits it
   *   would prove another principal too
   */
  async create(actor: Actor, input: NewBinding): Promise<Binding> {
    const details = checkOidc(input);
    const why = input.reason === undefined ? undefined : checkReason(input.reason);
    requireOneSource(await listBindings(this.#db, { status: 'open' }), details);
    await this.#prepare(details.issuer, details.keys ?? {});
    return this.#changes.run(actor, async (db) => {
      const after = await newBinding(db, input.principal, details);
      const change = { type: 'binding.created', entity: 'binding', before: null, after } as const;
      return { changes: [{ ...change, principal: after.principal, reason: why }], result: after };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Binding> {
    return found(await findBinding(this.#db, id), 'binding', id);
  }

  /** Those that hold, or wait for somebody. @param principal id */
  list(principal: string): Promise<Binding[]> {
    return listBindings(this.#db, { principal, status: 'open' });
  }

  /** Those of every principal. @param owner id of a person: of the principals that they answer for alone */
  async all(owner?: string): Promise<Binding[]> {
    const open = await listBindings(this.#db, { status: 'open' });
    if (owner === undefined) return open;
    const own = new Set((await listPrincipals(this.#db, { owner })).map(({ id }) => id));
    return open.filter(({ principal }) => own.has(principal.id));
  }

  /** Ends a binding, with the credentials that were exchanged for it and the sessions of both. @throws PosternError POSTERN_CONFLICT when it is removed already */
  remove(actor: Actor, id: string, reason: string): Promise<Binding> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = found(await findBinding(db, id), 'binding', id);
      if (before.status === 'removed')
        throw new PosternError('POSTERN_CONFLICT', `The binding ${id} is removed already.`);
      const change = removedBinding(before, rfc3339(nowMicros()), why);
      return { changes: [change], result: change.after as Binding };
    });
  }
}

/**
 * A binding of a principal that begins now.
 *
 * @throws PosternError POSTERN_NOT_FOUND, POSTERN_PRINCIPAL_INACTIVE for one that is retired, POSTERN_INVALID where it has too many,
 *   POSTERN_CONFLICT where what fits it would prove another principal too
 */
export async function newBinding(
  db: StateDb,
  ref: string,
  details: DetailsOf<Binding['kind']>,
): Promise<Binding> {
  const principal = found(await findPrincipal(db, ref), 'principal', ref);
  if (principal.status === 'retired')
    throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is retired.`);
  const open = await listBindings(db, { status: 'open' });
  if (details.kind === 'oidc') requireOneSource(open, details);
  const same = open.find((each) => each.principal.id !== principal.id && overlaps(each, details));
  if (same !== undefined)
    throw new PosternError(
      'POSTERN_CONFLICT',
      `One ${details.kind === 'oidc' ? 'token' : 'proof'} could fit this binding and ${same.id}, of ${same.principal.name}.`,
      details.kind === 'oidc' ? 'Give claims that tell the two apart.' : 'One of the two must go.',
    );
  if (open.filter((each) => each.principal.id === principal.id).length >= BINDINGS_MAX)
    throw new PosternError('POSTERN_INVALID', `${principal.name} has ${BINDINGS_MAX} bindings already.`);
  return {
    id: uuidv7(),
    principal: { id: principal.id, name: principal.name },
    ...details,
    status: 'active',
    endReason: null,
    endedAt: null,
    createdAt: rfc3339(nowMicros()),
  };
}

/** The change that ends a binding. */
export function removedBinding(before: Binding, at: string, reason: string): Change {
  return {
    type: 'binding.removed',
    entity: 'binding',
    before,
    after: { ...before, status: 'removed', endReason: reason, endedAt: at },
    principal: before.principal,
    reason,
  };
}
