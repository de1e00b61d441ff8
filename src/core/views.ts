/**
 * What a gateway worker knows: the compiled snapshot of DESIGN section 3, as it travels from the control
 * process. Times are milliseconds since the Unix epoch.
 */
import type { GrantConditions } from './conditions.ts';
import type { MaskMatch, Probes, Transform } from './masks.ts';
import type { Authority, Delegator } from './record.ts';

export interface PrincipalView {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  readonly status: 'active' | 'suspended' | 'disabled' | 'retired';
  readonly expiresAt: number | null;
}

export interface TlsSettings {
  /** `verify-full` is the default for a new resource. */
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM of the certificate authority; null for the system's store. */
  readonly ca: string | null;
  /** Name to verify and to send as SNI, where it differs from the host. */
  readonly serverName: string | null;
  /** `direct`: TLS from the first byte (PostgreSQL 17 and later); else the server is asked first, which all understand. */
  readonly negotiation: 'postgres' | 'direct';
}

export const PROTOCOLS = ['postgres', 'http'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

/** How Postern proves itself to an HTTP service, with the upstream login of the resource. */
export type HttpAuth =
  /** User and password. @see https://www.rfc-editor.org/rfc/rfc7617 */
  | { readonly kind: 'basic' }
  /** The password as a bearer token. @see https://www.rfc-editor.org/rfc/rfc6750 */
  | { readonly kind: 'bearer' }
  /** The password in a header of this name, in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  /** The password is a client certificate with its key, PEM. */
  | { readonly kind: 'certificate' }
  /** User and password are an access key of AWS. @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html */
  | { readonly kind: 'sigv4'; readonly region: string; readonly service: string };

export interface HttpSettings {
  /** Names by which clients ask for it, in lower case, besides the path `/RESOURCE/` at the gateway's own name. */
  readonly hosts: readonly string[];
  /** In front of every path there; empty, or from `/` on without one at the end. */
  readonly basePath: string;
  readonly auth: HttpAuth;
}

export interface ResourceView {
  readonly id: string;
  readonly name: string;
  readonly protocol: ProtocolName;
  readonly host: string;
  readonly port: number;
  /** The database a bare `resource` means; empty where the protocol has none. */
  readonly database: string;
  /** Null for another protocol. */
  readonly http: HttpSettings | null;
  readonly tls: TlsSettings;
  readonly durability: 'process' | 'power';
  /** `tools`: the system catalogues that drivers and tools read are open to every session; `none`: they need a scope. */
  readonly catalogAccess: 'tools' | 'none';
  /** Outcomes hold a digest of the rows that were delivered. */
  readonly resultDigest: boolean;
  /** `withdrawn`: its secret cannot be opened, and what is known of it no longer holds. */
  readonly status: 'active' | 'retired' | 'withdrawn';
  /** The injected credential, decrypted: it is sent to workers only, and never leaves them but towards the resource. */
  readonly upstream: UpstreamLogin;
  /** With it, each session is a role of its own there; null: every session is the upstream user. */
  readonly admin: UpstreamLogin | null;
}

export interface UpstreamLogin {
  readonly user: string;
  readonly password: string;
  /** While one password takes the place of another: the server may have this one already. */
  readonly other?: string;
  /** The password is kept elsewhere: where the server refuses it, the control process is to look again. */
  readonly sourced?: true;
  /** The password cannot be had at present: nobody can log in. */
  readonly unavailable?: true;
}

export interface GrantView {
  readonly id: string;
  readonly principalId: string;
  readonly resourceId: string;
  /** Scope text in the grammar of the resource's protocol (docs/scopes.md). */
  readonly scope: string;
  readonly conditions: GrantConditions;
  readonly start: number;
  readonly end: number;
  readonly status: 'active' | 'expired' | 'revoked';
  readonly endReason: string | null;
  readonly authority: Authority;
}

interface CredentialBase {
  readonly id: string;
  readonly principalId: string;
  /** When set, sessions opened with it stand under this grant alone. */
  readonly grantId: string | null;
  /** When set, it opens this resource alone. */
  readonly resourceId?: string;
  /** On whose behalf it is used, the origin first; absent where on the principal's own. */
  readonly delegation?: readonly Delegator[];
  /** What it was exchanged for and on whose word it stands, by id, since when; absent where a person issued it. */
  readonly basis?: { readonly ids: readonly string[]; readonly since: number };
  readonly expiresAt: number;
  readonly status: 'active' | 'revoked';
}

export interface PasswordCredentialView extends CredentialBase {
  readonly kind: 'password';
  /** SCRAM-SHA-256 verifier, base64. The salt is the principal's (see `scramSalt`), so that one name may have several. */
  readonly storedKey: string;
  readonly serverKey: string;
}

export interface CertificateCredentialView extends CredentialBase {
  readonly kind: 'certificate';
  /** SHA-256 of the certificate in DER, hex. */
  readonly sha256: string;
}

/** A binding: tokens of an OIDC issuer that say exactly this. It has no end of its own. */
export interface TokenBindingView extends CredentialBase {
  readonly kind: 'oidc';
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  /** Lists, and a value that each must hold. */
  readonly contains?: Readonly<Record<string, string>>;
  /** Claims that are recorded with the session, besides those that are bound. */
  readonly logged?: readonly string[];
}

/** A binding: SVIDs of this SPIFFE ID. */
export interface SpiffeBindingView extends CredentialBase {
  readonly kind: 'spiffe';
  readonly spiffeId: string;
  /** Of JWT-SVIDs; null: none is taken. */
  readonly audience: string | null;
}

/** A binding: client certificates that have exactly this. */
export interface CertificateBindingView extends CredentialBase {
  readonly kind: 'bound_certificate';
  /** The authority; null where one certificate or key is named. */
  readonly trustId: string | null;
  readonly by: 'subject' | 'uri' | 'dns' | 'email' | 'certificate' | 'public_key';
  readonly value: string;
}

/** What a principal may prove itself with. */
export type CredentialView =
  | PasswordCredentialView
  | CertificateCredentialView
  | TokenBindingView
  | SpiffeBindingView
  | CertificateBindingView;

/** Who is trusted to say who somebody is by a certificate or an SVID. */
export interface TrustView {
  readonly id: string;
  readonly kind: 'spiffe' | 'x509';
  readonly name: string;
  /** DER, base64. */
  readonly certificates: readonly string[];
  /** For JWT-SVIDs. */
  readonly jwks: readonly object[];
  readonly status: 'active' | 'removed';
}

/** The keys of an OIDC issuer, as it publishes them (JWK Set); without any once they are not trusted any more. */
export interface IssuerView {
  readonly issuer: string;
  readonly jwks: object;
}

/** A rule for what is shown only masked. It holds where each of the ids that is not null is the session's. */
export interface MaskRuleView {
  readonly id: string;
  readonly name: string;
  /** 1 for a new rule; each change adds one. */
  readonly revision: number;
  readonly resourceId: string | null;
  readonly principalId: string | null;
  readonly grantId: string | null;
  readonly match: MaskMatch;
  readonly transform: Transform;
  readonly probes: Probes;
  readonly status: 'active' | 'retired';
}

/** Something on which credentials stand that ended, and when. */
export interface EndedView {
  readonly id: string;
  readonly at: number;
}

export interface Snapshot {
  readonly version: number;
  readonly principals: readonly PrincipalView[];
  readonly resources: readonly ResourceView[];
  readonly grants: readonly GrantView[];
  readonly credentials: readonly CredentialView[];
  readonly issuers?: readonly IssuerView[];
  readonly trust?: readonly TrustView[];
  readonly masks: readonly MaskRuleView[];
}

/**
 * A change to the snapshot: rows to insert or replace by id. `version` is the snapshot's after the change.
 * An ended grant, disabled principal, retired resource or revoked credential is sent with its new status; the
 * worker forgets it when no session needs it any more.
 */
export interface Delta {
  readonly version: number;
  readonly principals?: readonly PrincipalView[];
  readonly resources?: readonly ResourceView[];
  readonly grants?: readonly GrantView[];
  readonly credentials?: readonly CredentialView[];
  readonly issuers?: readonly IssuerView[];
  readonly trust?: readonly TrustView[];
  readonly masks?: readonly MaskRuleView[];
  readonly ended?: readonly EndedView[];
}

/** SCRAM iteration count of issued credentials. They are 256-bit random values, so the minimum of RFC 7677 serves. */
export const SCRAM_ITERATIONS = 4096;
