import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { PosternError } from '../core/errors.ts';
import { readToken, type TokenKey, tokenKeys } from '../core/jws.ts';
import type { Actor, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { Binding, BindingOf } from '../store/entities.ts';
import { findBinding, findPrincipal, found, keyBindings } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import { newBinding } from './bindings.ts';
import { atMillis, checkReason, checkTtl } from './input.ts';
import {
  ASSERTION_TYPES,
  type Assertion,
  type OwnKey,
  ownKey,
  requirePossession,
  verifyAssertion,
} from './own-key.ts';
import { SYSTEM } from './persons.ts';
import { type Proof, type Prover, type Shown, tokenSha256 } from './proof.ts';
import type { SpentProofs } from './spent-proofs.ts';

const JOIN_TTL_DEFAULT = 900;
const JOIN_TTL_MAX = 86_400;
const PREFIX = 'pjt_';
/** How many of the keys before are remembered: a record has at most 65,535 bytes. */
const FORMER_MAX = 200;

type KeyBinding = BindingOf<'key'>;

export interface NewInvitation {
  readonly principal: string;
  readonly ttlSeconds?: number | undefined;
  readonly reason?: string | undefined;
}

interface KeyPairsOptions {
  readonly db: StateDb;
  readonly changes: ChangeLog;
  readonly spent: SpentProofs;
  /** What assertions must be for: this Postern. */
  readonly audience: () => string;
}

/**
 * Key pairs that clients made themselves. A one-time token lets a client enrol its public key; from then on it proves itself by
 * assertions (`private_key_jwt`), each taken once. Every assertion carries a number that only grows; who shows one that was passed
 * already, signed anew, is the second holder of the key or the first one after the second: then the binding is locked.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 */
export class KeyPairs {
  readonly #options: KeyPairsOptions;

  constructor(options: KeyPairsOptions) {
    this.#options = options;
  }

  /** What assertions must be for. */
  audience(): string {
    return this.#options.audience();
  }

  /**
   * Makes a one-time token with which a client may enrol its key.
   *
   * @param input ttlSeconds at most a day, default 15 minutes
   * @returns the token, shown once: only its hash is kept
   */
  invite(actor: Actor, input: NewInvitation): Promise<{ readonly binding: Binding; readonly token: string }> {
    const ttl = checkTtl(input.ttlSeconds ?? JOIN_TTL_DEFAULT, JOIN_TTL_MAX, 'join token');
    const reason = input.reason === undefined ? undefined : checkReason(input.reason);
    return this.#options.changes.run(actor, async (db) => {
      const binding: Binding = {
        ...(await newBinding(db, input.principal, {
          ...{ kind: 'key', jwk: null, thumbprint: null, generation: 0, former: [] },
          joinBy: atMillis(Date.now() + ttl * 1000),
        })),
        status: 'requested',
      };
      const token = `${PREFIX}${randomBytes(32).toString('base64url')}`;
      const change = { type: 'binding.created', entity: 'binding', before: null, after: binding } as const;
      return {
        changes: [{ ...change, principal: binding.principal, reason }],
        secrets: async (tx) => {
          await tx
            .insertInto('join_tokens')
            .values({ binding_id: binding.id, token_hash: hashOf(token) })
            .execute();
        },
        result: { binding, token },
      };
    });
  }

  /**
   * Enrols the key of whoever has the token.
   *
   * @param proof signed with the new key
   * @throws PosternError POSTERN_UNAUTHORIZED; POSTERN_INVALID for a key that is not taken; POSTERN_CONFLICT for one that is known
   */
  async join(token: string, jwk: Readonly<Record<string, unknown>>, proof: string): Promise<Binding> {
    const { db, audience, changes } = this.#options;
    const key = ownKey(jwk);
    requirePossession(proof, key, token, audience(), Date.now());
    const waiting = await invited(db, token);
    return changes.run(actorOf(waiting.principal), async (tx) => {
      const before = await invited(tx, token);
      await requireActive(tx, before.principal);
      await requireUnknown(tx, key);
      const after: Binding = {
        ...before,
        status: 'active',
        jwk: key.jwk,
        thumbprint: key.thumbprint,
        generation: 1,
      };
      return {
        changes: [{ type: 'binding.joined', entity: 'binding', before, after, principal: before.principal }],
        beside: async (inner) => {
          await inner.deleteFrom('join_tokens').where('binding_id', '=', before.id).execute();
        },
        result: after,
      };
    });
  }

  /**
   * Puts a new key in the place of the old one, which is over at once.
   *
   * @param assertion signed with the old key, naming the new one in `cnf.jkt`
   * @param proof signed with the new key
   * @throws PosternError as `join`
   */
  async rotate(assertion: string, jwk: Readonly<Record<string, unknown>>, proof: string): Promise<Binding> {
    const { audience, changes } = this.#options;
    const key = ownKey(jwk);
    requirePossession(proof, key, assertion, audience(), Date.now());
    const { binding, claims } = await this.#verified(assertion, ASSERTION_TYPES.rotate);
    const cnf = claims.cnf as { readonly jkt?: unknown } | undefined;
    if (cnf?.jkt !== key.thumbprint) throw unproven('it is for another new key');
    return changes.run(actorOf(binding.principal), async (tx) => {
      const before = found(await findBinding(tx, binding.id), 'binding', binding.id);
      if (before.kind !== 'key' || before.status !== 'active' || before.thumbprint !== binding.thumbprint)
        throw unproven('its key was replaced meanwhile');
      await requireActive(tx, before.principal);
      await requireUnknown(tx, key);
      const after: Binding = {
        ...before,
        ...{ jwk: key.jwk, thumbprint: key.thumbprint, generation: before.generation + 1 },
        former: [...before.former, binding.thumbprint ?? ''].slice(-FORMER_MAX),
      };
      return {
        changes: [{ type: 'binding.rotated', entity: 'binding', before, after, principal: before.principal }],
        result: after,
      };
    });
  }

  /** Proof by an assertion. */
  readonly prover: Prover = async ({ token }: Shown): Promise<Proof> => {
    const { binding, jti, expiresAt } = await this.#verified(token, null);
    return {
      principal: binding.principal,
      binding: binding.id,
      kind: 'key',
      issuer: binding.principal.name,
      subject: binding.principal.name,
      jti,
      sha256: tokenSha256(token),
      claims: { generation: String(binding.generation) },
      expiresAt,
      ...(binding.thumbprint !== null && { confirmation: { jkt: binding.thumbprint } }),
    };
  };

  /** An assertion that is taken, once, and in its turn. A name that is not known costs what a wrong signature costs. */
  async #verified(text: string, typ: string | null): Promise<Assertion & { readonly binding: KeyBinding }> {
    const { db, audience, spent } = this.#options;
    const token = readToken(text);
    if (typeof token === 'string') throw unproven(token);
    const { iss, sub } = token.claims;
    const name = typeof sub === 'string' && iss === sub ? sub : '';
    const known = await keyBindings(db, name);
    const candidates = known.flatMap((binding) => {
      const [key] = tokenKeys({ keys: [binding.jwk] });
      const meant = token.kid === undefined || token.kid === binding.thumbprint;
      return key !== undefined && key.alg === token.alg && meant ? [{ binding, key }] : [];
    });
    // One signature is looked at, whatever is known.
    const [only, other] = candidates;
    const { binding, key } =
      only !== undefined && other === undefined
        ? only
        : { binding: undefined, key: NOBODYS[token.alg] ?? (NOBODYS.ES256 as TokenKey) };
    const result = verifyAssertion(token, key, typ, audience(), Date.now());
    if (typeof result === 'string') throw unproven(result);
    if (binding === undefined) throw unproven(WRONG);
    if (binding.status === 'locked')
      throw unproven(
        'the key is locked, since it is in two hands',
        'Remove the binding, and let the client join again.',
      );
    const { seq } = result.claims;
    if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1)
      throw unproven('it has no number (seq)');
    await spent.take(
      createHash('sha256').update(`${binding.id}\n${result.jti}`).digest('hex'),
      result.expiresAt,
    );
    if (!(await this.#counts(binding.id, seq))) {
      await this.#lock(binding.id, seq);
      throw unproven(
        'its number was passed already, so the key is in two hands; it is locked',
        'Find out who has a copy. Remove the binding, and let the client join again.',
      );
    }
    return { ...result, binding };
  }

  /** Whether a number is beyond every one before it. */
  #counts(binding: string, sequence: number): Promise<boolean> {
    return this.#options.db.transaction().execute(async (db) => {
      const last = await db
        .selectFrom('key_uses')
        .select('sequence')
        .where('binding_id', '=', binding)
        .executeTakeFirst();
      if (last !== undefined && sequence <= last.sequence) return false;
      await db
        .insertInto('key_uses')
        .values({ binding_id: binding, sequence })
        .onConflict((c) => c.column('binding_id').doUpdateSet({ sequence }))
        .execute();
      return true;
    });
  }

  #lock(id: string, sequence: number): Promise<void> {
    return this.#options.changes.run(SYSTEM, async (db) => {
      const before = await findBinding(db, id);
      if (before?.status !== 'active') return { changes: [], result: undefined };
      const reason = `the key is in two hands: use ${sequence} came after a later one`;
      const at = rfc3339(nowMicros());
      const after: Binding = { ...before, status: 'locked', endReason: reason, endedAt: at };
      const change: Change = {
        ...{ type: 'binding.locked', entity: 'binding', before, after, reason },
        principal: before.principal,
      };
      // Who of the two has which of the credentials cannot be told: all end.
      return { changes: [change], result: undefined };
    });
  }
}

const WRONG = 'its signature does not fit the key';

/** Keys of which the private half was thrown away: what a name that is not known is held against. */
const NOBODYS: Readonly<Record<string, TokenKey>> = {
  ES256: { kid: null, alg: 'ES256', key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey },
  EdDSA: { kid: null, alg: 'EdDSA', key: generateKeyPairSync('ed25519').publicKey },
};

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

const actorOf = (principal: Ref): Actor => ({ kind: 'principal', ...principal });

const unproven = (why: string, hint?: string): PosternError =>
  new PosternError('POSTERN_UNAUTHORIZED', `The assertion proves nothing: ${why}.`, hint);

/** The binding that a join token is for. */
async function invited(db: StateDb, token: string): Promise<KeyBinding> {
  const row = await db
    .selectFrom('join_tokens')
    .select('binding_id')
    .where('token_hash', '=', hashOf(token))
    .executeTakeFirst();
  const binding = row && (await findBinding(db, row.binding_id));
  if (binding?.kind !== 'key' || binding.status !== 'requested' || Date.parse(binding.joinBy) <= Date.now())
    throw new PosternError(
      'POSTERN_UNAUTHORIZED',
      'The join token is not valid: it is used, over, or none.',
      'postern principal join-token makes a new one.',
    );
  return binding;
}

async function requireActive(db: StateDb, { id, name }: Ref): Promise<void> {
  const principal = found(await findPrincipal(db, id), 'principal', name);
  if (principal.status !== 'active')
    throw new PosternError('POSTERN_PRINCIPAL_INACTIVE', `${name} is ${principal.status}.`);
}

/** A key that was ever enrolled is not enrolled again: what was taken away must not come back by another name. */
async function requireUnknown(db: StateDb, { thumbprint }: OwnKey): Promise<void> {
  const row = await db
    .selectFrom('bindings')
    .select('id')
    .where('kind', '=', 'key')
    .where(sql<boolean>`instr(details, ${thumbprint}) > 0`)
    .executeTakeFirst();
  if (row !== undefined) throw new PosternError('POSTERN_CONFLICT', 'This key is or was enrolled already.');
}
