import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { Actor } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import type { ChangeLog } from '../store/changes.ts';
import type { GroupRoles, IdentityProvider } from '../store/entities.ts';
import { findIdentityProvider, listIdentityProviders } from '../store/people-queries.ts';
import { found } from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';
import type { SecretBox } from '../vault/secrets.ts';
import { checkName, checkReason, checkText } from './input.ts';
import { checkIssuer } from './issuers.ts';
import { checkGroupRoles } from './roles.ts';

const MOST_PROVIDERS = 20;

export interface ProviderFields {
  readonly clientId?: string | undefined;
  /** Null takes it away: a public client, held by PKCE alone. */
  readonly clientSecret?: string | null | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly domains?: readonly string[] | undefined;
  readonly groups?: { readonly claim: string; readonly roles: GroupRoles } | null | undefined;
  readonly creates?: boolean | undefined;
  readonly ca?: string | null | undefined;
}

export interface NewProvider extends ProviderFields {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
}

/** OpenID providers through which people come in. The issuer of one never changes: whom it vouches for hangs on it. */
export class IdentityProviders {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;
  readonly #box: SecretBox;

  constructor(db: StateDb, changes: ChangeLog, box: SecretBox) {
    this.#db = db;
    this.#changes = changes;
    this.#box = box;
  }

  /** @throws PosternError POSTERN_CONFLICT when the name is or was in use, or an active provider has the issuer */
  create(actor: Actor, input: NewProvider): Promise<IdentityProvider> {
    return this.#changes.run(actor, async (db) => {
      const name = checkName(input.name, 'provider');
      const issuer = checkIssuer(input.issuer);
      if (await findIdentityProvider(db, name)) {
        throw new PosternError('POSTERN_CONFLICT', `The name ${name} is or was in use.`);
      }
      const active = await listIdentityProviders(db, 'active');
      if (active.some((other) => other.issuer === issuer)) {
        throw new PosternError('POSTERN_CONFLICT', `There is a provider with the issuer ${issuer} already.`);
      }
      if (active.length >= MOST_PROVIDERS) {
        throw new PosternError('POSTERN_CONFLICT', `There are at most ${MOST_PROVIDERS} providers.`);
      }
      const after: IdentityProvider = {
        id: uuidv7(),
        name,
        issuer,
        ...fieldsOf(input, {
          clientId: '',
          confidential: false,
          scopes: ['openid', 'email', 'profile'],
          domains: [],
          groups: null,
          creates: false,
          ca: null,
        }),
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
      };
      return {
        changes: [{ type: 'identity_provider.created', entity: 'identity_provider', before: null, after }],
        secrets: (tx) => this.#keepSecret(tx, after.id, input.clientSecret),
        result: after,
      };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<IdentityProvider> {
    return found(await findIdentityProvider(this.#db, ref), 'provider', ref);
  }

  list(status?: IdentityProvider['status']): Promise<IdentityProvider[]> {
    return listIdentityProviders(this.#db, status);
  }

  update(actor: Actor, ref: string, input: ProviderFields, reason: string): Promise<IdentityProvider> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, ref);
      const after: IdentityProvider = { ...before, ...fieldsOf(input, before) };
      return {
        changes: [
          { type: 'identity_provider.updated', entity: 'identity_provider', before, after, reason: why },
        ],
        // Not before the record: the secret of before is worth something until then.
        beside: (tx) => this.#keepSecret(tx, after.id, input.clientSecret),
        result: after,
      };
    });
  }

  /** Nobody comes in through it any more. Sessions that began through it go on. */
  remove(actor: Actor, ref: string, reason: string): Promise<IdentityProvider> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = await active(db, ref);
      const after: IdentityProvider = { ...before, status: 'removed', statusReason: why };
      return {
        changes: [
          { type: 'identity_provider.removed', entity: 'identity_provider', before, after, reason: why },
        ],
        beside: async (tx) => {
          await tx.deleteFrom('identity_provider_secrets').where('provider_id', '=', before.id).execute();
        },
        result: after,
      };
    });
  }

  /** The client secret of a provider; null for a public client. */
  async secretOf({ id, confidential }: IdentityProvider): Promise<string | null> {
    if (!confidential) return null;
    const row = await this.#db
      .selectFrom('identity_provider_secrets')
      .select('sealed')
      .where('provider_id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new PosternError('POSTERN_INTERNAL', 'The client secret is missing.');
    return this.#box.open(row.sealed, `provider:${id}`).toString('utf8');
  }

  async #keepSecret(tx: StateDb, id: string, secret: string | null | undefined): Promise<void> {
    if (secret === undefined) return;
    if (secret === null) {
      await tx.deleteFrom('identity_provider_secrets').where('provider_id', '=', id).execute();
      return;
    }
    const sealed = this.#box.seal(Buffer.from(secret), `provider:${id}`);
    await tx
      .insertInto('identity_provider_secrets')
      .values({ provider_id: id, sealed })
      .onConflict((c) => c.column('provider_id').doUpdateSet({ sealed }))
      .execute();
  }
}

async function active(db: StateDb, ref: string): Promise<IdentityProvider> {
  const provider = found(await findIdentityProvider(db, ref), 'provider', ref);
  if (provider.status === 'active') return provider;
  throw new PosternError('POSTERN_CONFLICT', `The provider ${provider.name} was removed.`);
}

type Fields = Pick<
  IdentityProvider,
  'clientId' | 'confidential' | 'scopes' | 'domains' | 'groups' | 'creates' | 'ca'
>;

/** @throws PosternError POSTERN_INVALID */
function fieldsOf(input: ProviderFields, before: Fields): Fields {
  const { clientSecret, groups = before.groups, ca = before.ca } = input;
  const domains = (input.domains ?? before.domains).map(checkDomain);
  const creates = input.creates ?? before.creates;
  if (creates && (domains.length === 0 || groups === null)) {
    throw new PosternError(
      'POSTERN_INVALID',
      'A provider that makes people says of which domains, and which groups give which roles.',
    );
  }
  if (ca !== null && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new PosternError('POSTERN_INVALID', 'The authority is not a PEM certificate.');
  }
  return {
    clientId: checkText(input.clientId ?? before.clientId, 'client id', 300),
    confidential: clientSecret === undefined ? before.confidential : clientSecret !== null,
    scopes: scopesOf(input.scopes ?? before.scopes),
    domains,
    groups: groups && {
      claim: checkText(groups.claim, 'claim with the groups', 200),
      roles: checkGroupRoles(groups.roles),
    },
    creates,
    ca,
  };
}

function scopesOf(scopes: readonly string[]): string[] {
  if (scopes.length <= 20 && scopes.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(scope))) {
    return [...new Set(['openid', ...scopes])];
  }
  throw new PosternError('POSTERN_INVALID', 'Scopes are words of an OpenID provider, such as email.');
}

function checkDomain(text: string): string {
  const domain = text.toLowerCase();
  if (domain.length <= 253 && /^([a-z0-9-]+\.)+[a-z0-9-]+$/.test(domain)) return domain;
  throw new PosternError('POSTERN_INVALID', `${JSON.stringify(text.slice(0, 100))} is not a domain.`);
}
