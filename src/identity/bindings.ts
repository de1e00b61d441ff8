import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Binding } from '../store/entities.ts';
import { findBinding, findPrincipal, found, listBindings } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { checkReason, checkText } from './input.ts';
import { checkIssuer } from './issuers.ts';

const CLAIMS_MAX = 16;
const BINDINGS_MAX = 16;
/** What is checked anyway, and not by equality. */
const RESERVED: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'iat', 'nbf']);

export interface NewBinding {
  readonly principal: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly reason?: string | undefined;
}

/** How principals prove themselves without a secret of Postern's: by tokens of an OIDC issuer that say exactly this. */
export class Bindings {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #prepare: (issuer: string) => Promise<void>;

  /** @param prepare gets hold of the issuer's keys, or throws: a binding to an issuer that cannot be asked is a mistake */
  constructor(db: StateDb, changes: ChangeLog, prepare: (issuer: string) => Promise<void>) {
    this.#db = db;
    this.#changes = changes;
    this.#prepare = prepare;
  }

  /**
   * Binds a principal to tokens of an issuer, for an audience, with exact claims.
   *
   * @throws PosternError POSTERN_INVALID, also where the issuer cannot be asked for its keys; POSTERN_CONFLICT where tokens that say
   *   the same prove another principal
   */
  async create(actor: Actor, input: NewBinding): Promise<Binding> {
    const issuer = checkIssuer(checkText(input.issuer, 'issuer', 500));
    const audience = checkText(input.audience, 'audience', 500);
    const claims = checkClaims(input.claims);
    const why = input.reason === undefined ? undefined : checkReason(input.reason);
    await this.#prepare(issuer);
    return this.#changes.run(actor, async (db) => {
      const principal = found(await findPrincipal(db, input.principal), 'principal', input.principal);
      if (principal.status === 'retired')
        throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${principal.name} is retired.`);
      const active = await listBindings(db, { status: 'active' });
      const same = active.find(
        (each) =>
          each.principal.id !== principal.id &&
          each.issuer === issuer &&
          each.audience === audience &&
          overlap(each.claims, claims),
      );
      if (same !== undefined)
        throw new PosternError(
          'POSTERN_CONFLICT',
          `One token could fit this binding and ${same.id}, of ${same.principal.name}.`,
          'Give claims that tell the two apart.',
        );
      if (active.filter((each) => each.principal.id === principal.id).length >= BINDINGS_MAX)
        throw new PosternError('POSTERN_INVALID', `${principal.name} has ${BINDINGS_MAX} bindings already.`);
      const after: Binding = {
        id: uuidv7(),
        principal: { id: principal.id, name: principal.name },
        kind: 'oidc',
        issuer,
        audience,
        claims,
        status: 'active',
        endReason: null,
        endedAt: null,
        createdAt: rfc3339(nowMicros()),
      };
      const change = { type: 'binding.created', entity: 'binding', before: null, after } as const;
      return { changes: [{ ...change, principal: after.principal, reason: why }], result: after };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(id: string): Promise<Binding> {
    return found(await findBinding(this.#db, id), 'binding', id);
  }

  /** Those that hold. @param principal id */
  list(principal: string): Promise<Binding[]> {
    return listBindings(this.#db, { principal, status: 'active' });
  }

  /** Ends a binding, with the sessions that it opened. @throws PosternError POSTERN_CONFLICT when it is removed already */
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

/** Whether one token could say both: no claim of both has two values. */
function overlap(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return Object.entries(a).every(([name, value]) => b[name] === undefined || b[name] === value);
}

function checkClaims(claims: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(claims);
  if (entries.length === 0)
    throw new PosternError(
      'POSTERN_INVALID',
      'A binding needs a claim: without one, every token of the issuer for this audience would fit.',
      'Give the claim that names the workload, such as sub.',
    );
  if (entries.length > CLAIMS_MAX)
    throw new PosternError('POSTERN_INVALID', `A binding has at most ${CLAIMS_MAX} claims.`);
  const checked = entries.map(([name, value]) => {
    const claim = checkText(name, 'name of a claim', 200);
    if (RESERVED.has(claim))
      throw new PosternError('POSTERN_INVALID', `The claim ${claim} is checked anyway.`);
    return [claim, checkText(value, `claim ${claim}`, 500)] as const;
  });
  return Object.fromEntries(checked.sort(([a], [b]) => (a < b ? -1 : 1)));
}
