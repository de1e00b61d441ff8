/**
 * The things whose state is kept. An entity is what a change record carries as `before` and `after` and what
 * the API answers: one shape, without secrets. Times are RFC 3339 UTC with microseconds.
 */

import type { GrantConditions } from '../core/conditions.ts';
import type { MaskMatch, Probes, Transform } from '../core/masks.ts';
import type { Authority, Ref } from '../core/record.ts';
import type { ResourceView } from '../core/views.ts';

export const ROLES = ['admin', 'owner', 'approver', 'reviewer', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export const PRINCIPAL_KINDS = ['service_account', 'ci_runner', 'workload', 'agent'] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

export interface PersonRef extends Ref {
  readonly email: string;
}

export interface Person extends PersonRef {
  readonly roles: readonly Role[];
  readonly status: 'active' | 'disabled';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

export interface Principal extends Ref {
  readonly kind: PrincipalKind;
  readonly owner: PersonRef;
  readonly backupOwner: PersonRef | null;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewIntervalDays: number;
  readonly expiresAt: string | null;
  readonly status: 'active' | 'suspended' | 'disabled' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** The upstream password is not part of it: it is sealed in the vault. */
export interface Resource extends Ref, Pick<ResourceView, 'protocol' | 'host' | 'port' | 'database' | 'tls'> {
  readonly environment: string;
  readonly classification: string;
  readonly durability: 'process' | 'power';
  readonly catalogAccess: 'tools' | 'none';
  readonly resultDigest: boolean;
  readonly upstream: { readonly user: string };
  /** The administering credential, with which each session gets a role of its own. `secret` is where the vault has its password. */
  readonly admin: { readonly user: string; readonly secret: string } | null;
  readonly status: 'active' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

export interface Grant {
  readonly id: string;
  readonly principal: Ref;
  readonly resource: Ref;
  readonly scope: string;
  readonly conditions: GrantConditions;
  readonly start: string;
  readonly end: string;
  readonly status: 'active' | 'expired' | 'revoked';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly authority: Authority;
  readonly createdAt: string;
}

/** The verifier of a password is not part of it: it is kept beside. */
export interface Credential {
  readonly id: string;
  readonly principal: Ref;
  /** When set, sessions opened with it stand under this grant alone. */
  readonly grant: string | null;
  readonly kind: 'password' | 'certificate';
  /** SHA-256 of the certificate in DER, hex; null for a password. */
  readonly certificateSha256: string | null;
  readonly expiresAt: string;
  readonly status: 'active' | 'revoked';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** What is shown only masked, to whom and where. It holds where each of principal, resource and grant that is not null is the session's. */
export interface MaskRule extends Ref {
  /** 1 for a new rule; each change adds one. */
  readonly revision: number;
  readonly resource: Ref | null;
  readonly principal: Ref | null;
  readonly grant: string | null;
  readonly match: MaskMatch;
  readonly transform: Transform;
  readonly probes: Probes;
  readonly status: 'active' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** How a principal proves itself: by tokens of an OIDC issuer that say exactly this. */
export interface Binding {
  readonly id: string;
  readonly principal: Ref;
  readonly kind: 'oidc';
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly status: 'active' | 'removed';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** Keeps texts from being destroyed, by anybody and by retention, until it is released. */
export interface LegalHold {
  readonly id: string;
  /** Null: on the texts of all principals. */
  readonly principal: Ref | null;
  /** The matter, in words. */
  readonly reason: string;
  readonly placedBy: Ref;
  readonly status: 'active' | 'released';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** Days for which texts are kept after the end of the day they are of; null: for ever. */
export interface Keep {
  readonly statements: number | null;
  readonly parameters: number | null;
}

/** How long texts are kept. There is one policy; while nobody has changed it, nothing is destroyed. */
export interface RetentionPolicy extends Keep {
  readonly id: 'retention';
  /** By the classification of the resource, where it differs. */
  readonly classifications: Readonly<Record<string, Keep>>;
}

export interface Entities {
  readonly person: Person;
  readonly principal: Principal;
  readonly resource: Resource;
  readonly grant: Grant;
  readonly credential: Credential;
  readonly binding: Binding;
  readonly mask: MaskRule;
  readonly legal_hold: LegalHold;
  readonly retention: RetentionPolicy;
}

export type EntityName = keyof Entities;
