import { type TokenKey, tokenKeys } from '../core/jws.ts';
import { TrustStore } from '../core/trust.ts';
import type {
  CredentialView,
  Delta,
  GrantView,
  MaskRuleView,
  PrincipalView,
  ResourceView,
  Snapshot,
} from '../core/views.ts';
import type { Directory } from '../protocols/contract.ts';

/** How long something that ended is remembered, so that a client can be told why, in milliseconds. */
const REMEMBER_MS = 60 * 60 * 1000;

/** The snapshot of one worker, indexed for the look-ups of the hot path. */
export class SnapshotDirectory implements Directory {
  readonly #principals = new Map<string, PrincipalView>();
  readonly #principalIds = new Map<string, string>();
  readonly #resources = new Map<string, ResourceView>();
  readonly #resourceIds = new Map<string, string>();
  readonly #credentials = new Map<string, CredentialView>();
  readonly #ended = new Map<string, number>();
  readonly #byPrincipal = new Map<string, Map<string, CredentialView>>();
  readonly #grants = new Map<string, Map<string, GrantView>>();
  readonly #tokenKeys = new Map<string, readonly TokenKey[]>();
  readonly trust = new TrustStore();
  readonly #masks = new Map<string, MaskRuleView>();
  /** Answers of `masksOf`, until a rule changes. */
  readonly #masksOf = new Map<string, readonly MaskRuleView[]>();
  #version: number;

  constructor(snapshot: Snapshot) {
    this.#version = snapshot.version;
    this.#merge(snapshot);
  }

  get version(): number {
    return this.#version;
  }

  apply(delta: Delta): void {
    if (delta.version <= this.#version) return;
    this.#version = delta.version;
    this.#merge(delta);
  }

  #merge(rows: Omit<Delta, 'version'>): void {
    for (const row of rows.principals ?? []) {
      this.#principals.set(row.id, row);
      this.#principalIds.set(row.name, row.id);
    }
    for (const row of rows.resources ?? []) {
      this.#resources.set(row.id, row);
      this.#resourceIds.set(row.name, row.id);
    }
    for (const { id, at } of rows.ended ?? []) this.#ended.set(id, at);
    for (const row of rows.credentials ?? []) {
      this.#credentials.set(row.id, row);
      put(this.#byPrincipal, row.principalId, row);
    }
    for (const { issuer, jwks } of rows.issuers ?? []) this.#tokenKeys.set(issuer, tokenKeys(jwks));
    this.trust.merge(rows.trust ?? []);
    for (const row of rows.masks ?? []) {
      if (row.status === 'active') this.#masks.set(row.id, row);
      else this.#masks.delete(row.id);
    }
    if ((rows.masks?.length ?? 0) > 0) this.#masksOf.clear();
    for (const row of rows.grants ?? []) put(this.#grants, pair(row.principalId, row.resourceId), row);
  }

  /** Forgets credentials and grants that ended long ago. */
  forget(nowMs: number): void {
    for (const [principalId, rows] of this.#byPrincipal) {
      for (const [id, row] of rows) {
        if (row.expiresAt + REMEMBER_MS > nowMs) continue;
        rows.delete(id);
        this.#credentials.delete(id);
      }
      if (rows.size === 0) this.#byPrincipal.delete(principalId);
    }
    for (const [key, rows] of this.#grants) {
      for (const [id, row] of rows) if (row.end + REMEMBER_MS <= nowMs) rows.delete(id);
      if (rows.size === 0) this.#grants.delete(key);
    }
  }

  principalByName(name: string): PrincipalView | undefined {
    const id = this.#principalIds.get(name);
    return id === undefined ? undefined : this.#principals.get(id);
  }

  principal(id: string): PrincipalView | undefined {
    return this.#principals.get(id);
  }

  resourceByName(name: string): ResourceView | undefined {
    const id = this.#resourceIds.get(name);
    return id === undefined ? undefined : this.#resources.get(id);
  }

  resource(id: string): ResourceView | undefined {
    return this.#resources.get(id);
  }

  resources(): Iterable<ResourceView> {
    return this.#resources.values();
  }

  credential(id: string): CredentialView | undefined {
    return this.#credentials.get(id);
  }

  tokenKeys(issuer: string): readonly TokenKey[] {
    return this.#tokenKeys.get(issuer) ?? [];
  }

  endedAt(id: string): number | undefined {
    return this.#ended.get(id);
  }

  credentialsOf(principalId: string): readonly CredentialView[] {
    return [...(this.#byPrincipal.get(principalId)?.values() ?? [])];
  }

  grantsOf(principalId: string, resourceId: string): readonly GrantView[] {
    return [...(this.#grants.get(pair(principalId, resourceId))?.values() ?? [])];
  }

  masksOf(principalId: string, resourceId: string): readonly MaskRuleView[] {
    const key = pair(principalId, resourceId);
    const known = this.#masksOf.get(key);
    if (known !== undefined) return known;
    const rules = [...this.#masks.values()].filter(
      (rule) =>
        (rule.principalId ?? principalId) === principalId && (rule.resourceId ?? resourceId) === resourceId,
    );
    this.#masksOf.set(key, rules);
    return rules;
  }
}

const pair = (principalId: string, resourceId: string): string => `${principalId}\n${resourceId}`;

function put<T extends { readonly id: string }>(map: Map<string, Map<string, T>>, key: string, row: T): void {
  const rows = map.get(key);
  if (rows === undefined) map.set(key, new Map([[row.id, row]]));
  else rows.set(row.id, row);
}
