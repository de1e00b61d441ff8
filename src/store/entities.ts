/**
 * The things whose state is kept. An entity is what a change record carries as `before` and `after` and what
 * the API answers: one shape, without secrets. Times are RFC 3339 UTC with microseconds.
 */

import type { AlertRuleName, AlertRuleSettings, Expected, Parameters } from '../core/alert-rules.ts';
import type { GrantConditions } from '../core/conditions.ts';
import type { Confirmation } from '../core/confirmation.ts';
import type { MaskMatch, Probes, Transform } from '../core/masks.ts';
import type { Actor, Authority, Delegator, Ref, RuleRef } from '../core/record.ts';
import type { ResourceView } from '../core/views.ts';
import type { Channel, Link } from './notify-entities.ts';

export const ROLES = ['admin', 'owner', 'approver', 'reviewer', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export const PRINCIPAL_KINDS = ['service_account', 'ci_runner', 'workload', 'agent'] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

export interface PersonRef extends Ref {
  readonly email: string;
}

export interface Person extends PersonRef {
  /** What they may do: the roles given by hand and those of their groups in the directory. */
  readonly roles: readonly Role[];
  /** The directory that told of them, and what it calls them; null for a person added by hand. */
  readonly directory: PersonDirectory | null;
  readonly status: 'active' | 'disabled';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** What a directory says of a person (RFC 7643 section 4.1). */
export interface PersonDirectory extends Ref {
  readonly userName: string;
  readonly externalId: string | null;
  /** What it says of them now: that they are there, are not active, or it has deleted them and knows them no more. */
  readonly state: 'present' | 'absent' | 'deleted';
  /** The roles that were given by hand, whatever the directory says. */
  readonly given: readonly Role[];
}

/** By what a person shows who they are. The public key and the pair of issuer and subject are no secrets. */
export type Authenticator = AuthenticatorBase &
  (
    | {
        readonly kind: 'oidc';
        readonly provider: Ref;
        readonly issuer: string;
        readonly subject: string;
      }
    | {
        readonly kind: 'passkey';
        /** Base64url, as WebAuthn has it. */
        readonly credentialId: string;
        /** COSE key, base64url. */
        readonly publicKey: string;
        readonly rpId: string;
        /** Model of the authenticator, where it says so. */
        readonly aaguid: string;
        /** Whether it is kept by a service that copies it to other devices. */
        readonly backedUp: boolean;
        readonly transports: readonly string[];
      }
  );

interface AuthenticatorBase {
  readonly id: string;
  readonly person: Ref;
  /** What the person calls it. */
  readonly label: string;
  readonly status: 'active' | 'removed';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** Roles that come with a group of the provider or directory. */
export type GroupRoles = Readonly<Record<string, readonly Role[]>>;

/** An OpenID provider through which people come in. Its client secret is sealed in the vault. */
export interface IdentityProvider extends Ref {
  readonly issuer: string;
  readonly clientId: string;
  /** Whether there is a client secret. */
  readonly confidential: boolean;
  readonly scopes: readonly string[];
  /** Domains of e-mail addresses that may be linked at the first login; empty: none, only invitations link. */
  readonly domains: readonly string[];
  /** Claim that lists the groups of a person, and what roles they give; null: roles are not the provider's matter. */
  readonly groups: { readonly claim: string; readonly roles: GroupRoles } | null;
  /** Whether somebody unknown with a verified address of one of the domains becomes a person at the first login. */
  readonly creates: boolean;
  /** Authorities to trust for it besides the system's, PEM; null for none. */
  readonly ca: string | null;
  readonly status: 'active' | 'removed';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** A directory that tells of joiners and leavers with SCIM. Its token is kept as a hash only. */
export interface Directory extends Ref {
  /** By the display name of the group. */
  readonly groups: GroupRoles;
  readonly tokenExpiresAt: string;
  readonly status: 'active' | 'removed';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** A group of a directory. */
export interface Group extends Ref {
  readonly directory: Ref;
  readonly externalId: string | null;
  /** Ids of people, sorted. */
  readonly members: readonly string[];
  readonly status: 'active' | 'removed';
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** How long people stay signed in. There is one. */
export interface SignInSettings {
  readonly id: 'sign_in';
  readonly browser: SessionEnds;
  readonly cli: SessionEnds;
  /** For how long after somebody showed who they are sensitive acts are open to them, in seconds. */
  readonly freshSeconds: number;
}

export interface SessionEnds {
  /** Without a call, in seconds. */
  readonly idleSeconds: number;
  /** In any case, in seconds. */
  readonly absoluteSeconds: number;
}

export interface Principal extends Ref {
  readonly kind: PrincipalKind;
  readonly owner: PersonRef;
  /** Null only in what was made before there had to be one. */
  readonly backupOwner: PersonRef | null;
  readonly purpose: string;
  readonly environment: string;
  readonly reviewIntervalDays: number;
  readonly expiresAt: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** The third party, an organisation or a person, whose it is; null: one of our own. */
  readonly sponsor: string | null;
  /** Since its owner was disabled: by when another must have taken it over. Null while the owner is active, or it is not. */
  readonly rehomeBy: string | null;
  /** When it was made or last resumed: from then on its disuse is counted. */
  readonly activeSince: string;
  readonly status: 'active' | 'suspended' | 'disabled' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** A credential at a resource, without its password. */
export interface HeldLogin {
  readonly user: string;
  /** Id of the password; the vault has it under that. Another password has another. */
  readonly secret: string;
  /** Where the password is kept, when that is not the vault: a reference (docs/vault.md). */
  readonly source: string | null;
  /** Since when it is this password, or this source. */
  readonly since: string;
}

/** The upstream password is not part of it: it is sealed in the vault. */
export interface Resource
  extends Ref,
    Pick<ResourceView, 'protocol' | 'host' | 'port' | 'database' | 'tls' | 'http'> {
  readonly environment: string;
  readonly classification: string;
  readonly durability: 'process' | 'power';
  readonly catalogAccess: 'tools' | 'none';
  readonly resultDigest: boolean;
  readonly upstream: HeldLogin;
  /** The administering credential, with which each session gets a role of its own. */
  readonly admin: HeldLogin | null;
  /** How old its passwords become before they are replaced; null where that is left to people. */
  readonly rotateSeconds: number | null;
  /** The person who answers for it, and approves as `resource-owner`; null where nobody is named. */
  readonly owner: PersonRef | null;
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

export const CREDENTIAL_KINDS = ['password', 'certificate', 'ssh', 'jwt'] as const;

/** What a credential was exchanged for: the proof, as the log keeps it. */
export interface Exchange {
  /** Id of the binding, or of the credential where a bearer token of Postern's own was the proof. */
  readonly binding: string;
  /** Kind of the binding; `jwt` for a bearer token of Postern's own. */
  readonly kind: string;
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly jti: string | null;
  /** Of the token, hex. */
  readonly sha256: string;
  readonly claims: Readonly<Record<string, string>>;
  /** Address of the client. */
  readonly source: string;
}

/** The verifier of a password is not part of it: it is kept beside. */
export interface Credential {
  readonly id: string;
  readonly principal: Ref;
  /** When set, sessions opened with it stand under this grant alone. */
  readonly grant: string | null;
  /** Id: when set, it opens this resource alone. */
  readonly resource: string | null;
  readonly kind: (typeof CREDENTIAL_KINDS)[number];
  /** SHA-256 of the certificate in DER, hex; null for other kinds. */
  readonly certificateSha256: string | null;
  /** The key without which it proves nothing, where it is bound to one beside: of an SSH certificate or a bearer token. */
  readonly confirmation: Confirmation | null;
  /** Null where a person issued it. */
  readonly exchange: Exchange | null;
  /** Id of the person who issued it, and could use it. */
  readonly issuedBy?: string;
  /** On whose behalf it is used, the origin first; empty where on the principal's own. */
  readonly delegation: readonly Delegator[];
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

/** What every binding has. */
interface BindingBase {
  readonly id: string;
  readonly principal: Ref;
  /** `requested`: somebody else has to do something before it proves anything; `locked`: its key is in two hands. */
  readonly status: 'requested' | 'active' | 'locked' | 'expired' | 'removed';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** Where the keys of an issuer are, where they are not found by its own URL, over TLS with an authority of the system. */
export interface KeySource {
  /** PEM of the authority to trust instead. */
  readonly ca?: string;
  /** The https URL at which to ask instead. */
  readonly server?: string;
  /** The keys themselves (JWK Set): nobody is asked. */
  readonly jwks?: { readonly keys: readonly object[] };
}

/** By tokens of an OIDC issuer that say exactly this. */
interface OidcBinding extends BindingBase {
  readonly kind: 'oidc';
  /** The preset that it was made by (`src/identity/presets`). */
  readonly preset?: string;
  readonly issuer: string;
  readonly audience: string;
  /** By name, or by JSON Pointer within a claim (`src/core/claims.ts`). */
  readonly claims: Readonly<Record<string, string>>;
  /** Claims that are lists, and a value that each must hold. */
  readonly contains?: Readonly<Record<string, string>>;
  /** Whether the exchange takes a token again until it ends: for platforms that give the same one again. */
  readonly reuse?: true;
  readonly keys?: KeySource;
}

/** By SVIDs of this very SPIFFE ID. */
interface SpiffeBinding extends BindingBase {
  readonly kind: 'spiffe';
  readonly spiffeId: string;
  /** One of `aud` of JWT-SVIDs; null: by X.509-SVIDs alone. */
  readonly audience: string | null;
}

/** By a client certificate that has exactly this. */
interface CertificateBinding extends BindingBase {
  readonly kind: 'certificate';
  /** The authority that certificates must lead to; null only where one certificate or key is named. */
  readonly trust: Ref | null;
  readonly by: 'subject' | 'uri' | 'dns' | 'email' | 'certificate' | 'public_key';
  readonly value: string;
}

/** By assertions signed with a key pair of the client's own. */
interface KeyBinding extends BindingBase {
  readonly kind: 'key';
  /** The public key (RFC 7517); null until the client has joined. */
  readonly jwk: Readonly<Record<string, string>> | null;
  /** Of the key, RFC 7638. */
  readonly thumbprint: string | null;
  /** 1 for the first key; each rotation adds one. */
  readonly generation: number;
  /** Thumbprints of the last keys before this one: none of them comes back. */
  readonly former: readonly string[];
  /** Until when it may be joined. */
  readonly joinBy: string;
}

/** By signatures with an SSH key: this one, or any that an authority certified for this SSH principal. */
interface SshBinding extends BindingBase {
  readonly kind: 'ssh';
  /** `SHA256:` and base64, as ssh-keygen prints it; null where an authority is named. */
  readonly fingerprint: string | null;
  readonly trust: Ref | null;
  /** One of the principals in the SSH certificate. */
  readonly sshPrincipal: string | null;
}

/** By a static secret: the exception, with who asked for it, who agreed, and an end. */
interface SecretBinding extends BindingBase {
  readonly kind: 'secret';
  readonly reason: string;
  readonly requestedBy: Ref;
  /** Who is asked to agree. */
  readonly approver: Ref;
  readonly approvedAt: string | null;
  readonly expiresAt: string;
}

/** By requests for GetCallerIdentity that were signed for this Postern, as AWS says whose they are. */
interface AwsBinding extends BindingBase {
  readonly kind: 'aws';
  readonly account: string;
  /** Of the role (`AROA...`) or user (`AIDA...`): never given again. */
  readonly uniqueId: string;
  /** Name of the role's session; null: any. */
  readonly session: string | null;
  /** Whose STS is asked. */
  readonly region: string;
  /** For whom the request must be signed. */
  readonly audience: string;
}

/** By service account tokens, as their cluster says whose they are. */
interface KubernetesBinding extends BindingBase {
  readonly kind: 'kubernetes';
  /** As the operator calls it. */
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uid: string;
  readonly audience: string;
}

/** How a principal proves itself. */
export type Binding =
  | OidcBinding
  | AwsBinding
  | KubernetesBinding
  | SpiffeBinding
  | CertificateBinding
  | KeyBinding
  | SshBinding
  | SecretBinding;

/** The bindings of one kind. */
export type BindingOf<K extends Binding['kind']> = Extract<Binding, { readonly kind: K }>;

/**
 * Who is trusted to say who somebody is: a SPIFFE trust domain, an authority of client certificates, an SSH authority. The
 * name of the first is the trust domain.
 */
export interface Trust extends Ref {
  readonly kind: 'spiffe' | 'x509' | 'ssh';
  /** Where the bundle of a trust domain is fetched; null where `keys` has it. */
  readonly url: string | null;
  /** A SPIFFE bundle (JSON), certificates (PEM), or SSH public keys, one a line; null for a bundle that is fetched. */
  readonly keys: string | null;
  readonly status: 'active' | 'removed';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** Somebody's word that a principal may act on their behalf. It gives the principal nothing that it does not have. */
export interface Delegation {
  readonly id: string;
  readonly subject: Omit<Delegator, 'delegation'>;
  /** On whose behalf the subject acts in this, the origin first. */
  readonly chain: readonly Delegator[];
  readonly actor: Ref;
  /** Id of the bearer token with which a principal gave it; null where a person did. */
  readonly credential: string | null;
  readonly expiresAt: string;
  readonly status: 'active' | 'revoked';
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

/** The institution's own values of what frameworks leave to it (docs/frameworks.md). There is one text. */
export interface FrameworkParameters {
  readonly id: 'parameters';
  /** 1 for the first; each change adds one. */
  readonly revision: number;
  /** YAML. */
  readonly text: string;
  /** Of the text, hex. */
  readonly sha256: string;
}

/** When principals are suspended that nobody answers for or uses. There is one policy. */
export interface LifecyclePolicy {
  readonly id: 'lifecycle';
  /** Days after its owner was disabled in which a principal needs another; 0: it is suspended at once. */
  readonly rehomeDays: number;
  /** Days without use after which a principal is suspended; null: never. */
  readonly unusedDays: number | null;
}

export const NOTICE_KINDS = ['owner_left', 'backup_owner_left', 'nobody_left'] as const;

/** What somebody has to be told, and about what they are to do something. */
export interface Notice {
  readonly id: string;
  readonly principal: Ref;
  readonly kind: (typeof NOTICE_KINDS)[number];
  /** Null: every administrator. */
  readonly to: PersonRef | null;
  readonly text: string;
  /** When it takes effect, as it stood when the notice was given; null: it has no further effect. */
  readonly effectiveAt: string | null;
  readonly status: 'open' | 'ended';
  readonly endReason: string | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

export const DECLARED_KINDS = ['principal', 'resource', 'binding', 'mask', 'policy'] as const;

/** Says that a thing was made by `postern apply` for a set of files: the set may end it too, and no other set has it. */
export interface Declaration {
  readonly id: string;
  readonly set: string;
  readonly kind: (typeof DECLARED_KINDS)[number];
  readonly object: Ref;
  readonly status: 'held' | 'released';
  readonly createdAt: string;
}

/** One text of the access policy. Rules are tried in the order of the names of their texts, then as they stand. */
export interface AccessPolicy extends Ref {
  /** 1 for a new one; each change adds one. */
  readonly revision: number;
  /** YAML, docs/policy.md. */
  readonly text: string;
  readonly status: 'active' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** Somebody's word that the request is right. */
export interface GivenApproval {
  readonly person: Ref;
  readonly at: string;
  readonly comment: string | null;
  /** By what they said so, where that was no call of theirs: `hook ci-desk`, `Slack account U1 of T1`. */
  readonly via?: string;
}

/** What somebody asked for, until it is granted or not. */
export interface AccessRequest {
  readonly id: string;
  readonly principal: Ref;
  readonly resource: Ref;
  readonly scope: string;
  readonly conditions: GrantConditions;
  /** How long the grant is to last. */
  readonly seconds: number;
  /** When it is to begin; null: when it is granted. */
  readonly start: string | null;
  readonly ticket: string | null;
  readonly justification: string | null;
  readonly emergency: boolean;
  /** The person, or the principal itself. */
  readonly requester: Actor;
  /** Address from which the principal asked; null where a person did. */
  readonly source: string | null;
  /** What the token said by which the principal was proved. */
  readonly claims: Readonly<Record<string, string>>;
  /** On whose behalf the principal asked, the origin first: they do not decide on it. Absent where on its own. */
  readonly delegation?: readonly Delegator[];
  /** People who asked for the same while it waited, or on whose behalf the principal did: they do not decide on it either. */
  readonly alsoAskedBy?: readonly Ref[];
  /** The rule under which it waits, or was decided; null: none fits. */
  readonly rule: RuleRef | null;
  /** Who has to agree, in words: `2 of role:approver`. */
  readonly needs: readonly string[];
  readonly approvals: readonly GivenApproval[];
  readonly status: 'pending' | 'granted' | 'denied' | 'withdrawn' | 'lapsed';
  readonly statusReason: string | null;
  readonly grant: string | null;
  /** Until when it waits. */
  readonly expiresAt: string;
  readonly createdAt: string;
}

/** Which principals and grants a review is about: those for which all that is given holds. */
export interface ReviewFilter {
  /** Grants on it, and the principals that have such. */
  readonly resource: Ref | null;
  /** A person: principals that they own or back up. */
  readonly owner: Ref | null;
  /** Of the principal. */
  readonly environment: string | null;
  /** Of the principal, each as it is. */
  readonly tags: Readonly<Record<string, string>>;
}

/** How a review is carried out. */
export interface ReviewTerms {
  readonly filter: ReviewFilter;
  /** Empty: everybody with the role reviewer. */
  readonly reviewers: readonly Ref[];
  /** From when a missed deadline is noticed until the undecided lapse. */
  readonly graceSeconds: number;
  /** After how many days without use something is shown as unused. */
  readonly unusedDays: number;
  /** Nothing takes effect; the items say what would have. */
  readonly rehearsal: boolean;
  /** Seconds before the deadline at which reviewers are reminded, the most first. Absent from records of before there were any. */
  readonly reminders?: readonly number[];
  /** Who decides too, beside administrators, once it is overdue. */
  readonly escalation?: readonly Ref[];
}

/** A campaign in which people decide anew on grants and principals. */
export interface Review extends Ref, ReviewTerms {
  /** The emergency grant (id) whose use is reviewed, and whose it was: the review is about that alone. */
  readonly emergency?: { readonly grant: string; readonly principal: Ref };
  /** The schedule that opened it; null where a person did. */
  readonly schedule: Ref | null;
  readonly dueAt: string;
  /** When the missed deadline was noticed: from then on administrators decide too, and the grace runs. */
  readonly overdueAt: string | null;
  /** Which of the reminders are behind it. */
  readonly reminded?: readonly number[];
  /** When half of the grace was gone, and those who answer for what is undecided were told. */
  readonly escalatedAt?: string | null;
  readonly status: 'open' | 'closed';
  readonly closeReason: string | null;
  readonly closedAt: string | null;
  readonly createdAt: string;
}

export const REVIEW_DECISIONS = ['keep', 'narrow', 'revoke', 'reassign'] as const;

export interface ReviewDecision {
  readonly kind: (typeof REVIEW_DECISIONS)[number];
  readonly by: Ref;
  readonly at: string;
  readonly reason: string;
  /** Of `narrow`: the scope that the grant keeps. */
  readonly scope: string | null;
  /** Of `reassign`: who answers for the principal from then on. */
  readonly owner: Ref | null;
  readonly backupOwner: Ref | null;
  /** SHA-256 of what they were shown, hex, and when that was. */
  readonly view: string;
  readonly shownAt: string;
}

/** What became of the subject of an item. */
export interface ReviewEffect {
  readonly what: 'nothing' | 'kept' | 'narrowed' | 'revoked' | 'disabled' | 'reassigned' | 'suspended';
  /** False in a rehearsal: it would have been so. */
  readonly applied: boolean;
}

/** One grant or principal in a review. */
export interface ReviewItem {
  readonly id: string;
  readonly review: Ref;
  readonly principal: Ref;
  /** Id; null where the item is about the principal as such. */
  readonly grant: string | null;
  /** Of the grant. */
  readonly resource: Ref | null;
  /** To whom it was delegated. */
  readonly reviewer: Ref | null;
  readonly status: 'open' | 'decided' | 'lapsed' | 'withdrawn';
  readonly decision: ReviewDecision | null;
  readonly effect: ReviewEffect | null;
  readonly endedAt: string | null;
  readonly createdAt: string;
}

/** How much ran at a server as a user of Postern's, against what is recorded of it. All counts are of statements. */
export interface StatementBalance {
  /** `sessions`: the upstream user, the roles of sessions, and roles that are gone; `admin`: the administering user. */
  readonly users: 'sessions' | 'admin';
  /** Since the reconciliation at that time. */
  readonly since: string;
  /** At least. */
  readonly ran: number;
  /** At most: those that were let through, and Postern's own. */
  readonly recorded: number;
  readonly own: number;
  /** What may lie between the counts, since they are not taken at one instant. */
  readonly slack: number;
}

/** What the next reconciliation counts from. */
export interface ReconciliationCounts {
  /** Executions at the server since its counters began. */
  readonly calls: { readonly sessions: number; readonly admin: number };
  readonly resetAt: string | null;
  /** Statements that were let through so far, and commands of which it cannot be told how many statements they were. */
  readonly recorded: { readonly statements: number; readonly unresolved: number };
  /** Postern's own, by worker process (`boot`), before the server was asked. */
  readonly asked: Readonly<Record<string, { readonly admin: number; readonly others: number }>>;
  /** Of Postern's connections that were running something. */
  readonly busy: number;
}

/** A comparison of what a resource says of itself with what Postern knows. */
export interface Reconciliation {
  readonly id: string;
  readonly resource: Ref;
  readonly at: string;
  readonly status: 'done' | 'failed';
  /** Why it failed. */
  readonly why: string | null;
  /** Version of the server, and as whom it was asked. */
  readonly server: string | null;
  readonly user: string | null;
  readonly administering: boolean;
  /** How many there were. */
  readonly accounts: number;
  readonly connections: number;
  /** How many of each kind are not Postern's. */
  readonly found: Readonly<Record<UnmanagedKind, number>>;
  /** What could not be seen or compared, a sentence each. */
  readonly bounds: readonly string[];
  readonly balances: readonly StatementBalance[];
  readonly counts: ReconciliationCounts | null;
}

export const UNMANAGED_KINDS = ['account', 'connection', 'statements'] as const;
export type UnmanagedKind = (typeof UNMANAGED_KINDS)[number];
export const UNMANAGED_STATUSES = ['open', 'accepted', 'adopted', 'remediated', 'gone'] as const;

/** What is at a resource and is not Postern's. */
export interface Unmanaged {
  readonly id: string;
  readonly resource: Ref;
  readonly kind: UnmanagedKind;
  /** Tells it from others of its kind there. */
  readonly key: string;
  /** In words. */
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly firstSeenAt: string;
  /** When it was told last; a run in which nothing about it changed tells nothing. */
  readonly lastToldAt: string;
  readonly status: (typeof UNMANAGED_STATUSES)[number];
  /** Why it is open again. */
  readonly reopened: string | null;
  readonly disposition: UnmanagedDisposition | null;
}

/** What a person says of it. */
export interface UnmanagedDisposition {
  readonly kind: 'accepted' | 'adopted' | 'remediated';
  readonly by: Ref;
  readonly at: string;
  readonly reason: string;
  /** Of what is accepted: until when. */
  readonly until: string | null;
  /** Of what is adopted: who answers for it from then on. */
  readonly owner: Ref | null;
}

/** Opens a review every so many days. */
export interface ReviewSchedule extends Ref, ReviewTerms {
  readonly everyDays: number;
  /** From its opening until a review is due. */
  readonly dueSeconds: number;
  /** When the first is opened. */
  readonly firstAt: string;
  readonly status: 'active' | 'ended';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** A person's word that they looked at what a principal did. It is said once and never changed. */
export interface LogReview {
  readonly id: string;
  readonly principal: Ref;
  readonly reviewer: Ref;
  /** Leaf indexes, both included. */
  readonly fromLeaf: number;
  readonly toLeaf: number;
  /** Whether the principal was reviewed as one of all that have privileged access. */
  readonly privileged: boolean;
  /** What was found, in the reviewer's words. */
  readonly finding: string;
  /** What is to be done about it. */
  readonly ticket: string | null;
  /** The log as it was: all that is reviewed was under this checkpoint. */
  readonly logSize: number;
  /** base64 */
  readonly logRoot: string;
  readonly createdAt: string;
}

export const ALERT_DISPOSITIONS = ['explained', 'revoked', 'false_positive'] as const;

/** What somebody decided about an alert. */
export interface AlertDisposition {
  readonly kind: (typeof ALERT_DISPOSITIONS)[number];
  readonly by: Ref;
  readonly at: string;
  readonly reason: string;
  /** Of `revoked`: whether the principal was suspended, and the grants (ids) that ended. */
  readonly suspended: boolean;
  readonly grants: readonly string[];
}

/** Something out of the ordinary that a rule found in the log, until somebody has looked at it. */
export interface Alert {
  readonly id: string;
  readonly rule: AlertRuleName;
  /** Of the rule, as they stood when it was raised. */
  readonly parameters: Parameters;
  readonly principal: Ref;
  /** Who answered for the principal when it was raised. */
  readonly owner: Ref;
  /** Null where it is about no one resource. */
  readonly resource: Ref | null;
  /** What it was: objects, networks, clients. The first ones. */
  readonly values: readonly string[];
  /** Leaves of the principal by which it was found: the first ones. */
  readonly leaves: readonly number[];
  /** How often it was found, at least. */
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The leaf at which it was found last. */
  readonly lastFound: number;
  /** What is found of an open or acknowledged one joins it. */
  readonly status: 'open' | 'acknowledged' | 'closed';
  readonly acknowledged: { readonly by: Ref; readonly at: string; readonly reason: string } | null;
  readonly disposition: AlertDisposition | null;
  readonly createdAt: string;
}

/** How the rules of alerts are set, and what is to be expected. There is one. */
export interface AlertRules {
  readonly id: 'alert_rules';
  readonly rules: AlertRuleSettings;
  readonly expected: readonly Expected[];
}

/** Where events go, and how. Nothing of it is a secret. */
export type SinkTarget =
  | {
      readonly kind: 'file';
      /** From this size on a new file is begun. */
      readonly maxBytes: number;
      /** How many files of before are kept. */
      readonly keep: number;
    }
  | {
      /** `https`: newline-delimited JSON; `otlp`: logs of OpenTelemetry. */
      readonly kind: 'https' | 'otlp';
      readonly url: string;
      /** The header that carries the secret. */
      readonly header: string;
      /** Authority to trust instead of those of the system, PEM. */
      readonly ca: string | null;
    }
  | {
      readonly kind: 'syslog';
      readonly host: string;
      readonly port: number;
      readonly facility: number;
      readonly ca: string | null;
      /** PEM, by which Postern shows who it is; its key is the secret. */
      readonly certificate: string | null;
    }
  | {
      readonly kind: 'kafka';
      /** `host:port`, of which one has to answer. */
      readonly brokers: readonly string[];
      readonly topic: string;
      /** False only where all brokers are on this machine. */
      readonly tls: boolean;
      readonly ca: string | null;
      /** The secret is the password. */
      readonly sasl: { readonly mechanism: KafkaMechanism; readonly user: string } | null;
    };

/** How a broker of Kafka asks who writes. */
export type KafkaMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

/** Where the events of the log go continuously. What it shows itself with is sealed in the vault. */
export interface Sink extends Ref {
  readonly target: SinkTarget;
  /** Whether there is a secret. */
  readonly secret: boolean;
  /** The first leaf that is delivered. */
  readonly from: number;
  readonly status: 'active' | 'paused' | 'retired';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

/** Makes an evidence package of each period when that is over. */
export interface EvidenceSchedule extends Ref {
  readonly every: 'month' | 'quarter' | 'year';
  /** `HH:MM` after the end of a period. */
  readonly at: string;
  /** IANA name of the zone whose calendar the periods are of. */
  readonly zone: string;
  /** Id of a framework of Postern; null: without an assessment. */
  readonly framework: string | null;
  readonly statements: 'full' | 'masked' | 'commitments';
  readonly parts: readonly ('ocsf' | 'parquet')[];
  /** A folder of the server to which packages are put; null: they wait to be fetched. */
  readonly to: string | null;
  readonly status: 'active' | 'ended';
  readonly statusReason: string | null;
  readonly createdAt: string;
}

export interface Entities {
  readonly person: Person;
  readonly principal: Principal;
  readonly resource: Resource;
  readonly grant: Grant;
  readonly credential: Credential;
  readonly binding: Binding;
  readonly trust: Trust;
  readonly delegation: Delegation;
  readonly mask: MaskRule;
  readonly legal_hold: LegalHold;
  readonly retention: RetentionPolicy;
  readonly parameters: FrameworkParameters;
  readonly authenticator: Authenticator;
  readonly identity_provider: IdentityProvider;
  readonly directory: Directory;
  readonly group: Group;
  readonly sign_in: SignInSettings;
  readonly lifecycle: LifecyclePolicy;
  readonly notice: Notice;
  readonly declaration: Declaration;
  readonly policy: AccessPolicy;
  readonly request: AccessRequest;
  readonly review: Review;
  readonly review_item: ReviewItem;
  readonly review_schedule: ReviewSchedule;
  readonly evidence_schedule: EvidenceSchedule;
  readonly log_review: LogReview;
  readonly channel: Channel;
  readonly link: Link;
  readonly alert: Alert;
  readonly alert_rules: AlertRules;
  readonly reconciliation: Reconciliation;
  readonly unmanaged: Unmanaged;
  readonly sink: Sink;
}

export type EntityName = keyof Entities;
