/**
 * The record interface: what every room writes into the log and what a leaf looks like when it comes out.
 *
 * A record is written by whoever does the thing (a gateway worker, the control process) as one JSON object
 * into that process's journal. The sequencer turns it into a leaf entry: it puts `v`, `leaf` (the leaf index) and,
 * where the record concerns a principal, `principalSeq` in front, replaces the payloads by their
 * commitments (`payloads`), and appends the bytes to the tree. Nothing else is changed or reordered.
 */

/** The closed catalogue of record types. */
export const RECORD_TYPES = [
  'session.opened',
  'session.closed',
  'session.refused',
  'command.intent',
  'command.outcome',
  'command.denied',
  'person.created',
  'person.updated',
  'person.disabled',
  'principal.created',
  'principal.updated',
  'principal.suspended',
  'principal.resumed',
  'principal.disabled',
  'principal.retired',
  'credential.issued',
  'credential.revoked',
  'credential.refused',
  'delegation.created',
  'delegation.revoked',
  'token_key.rotated',
  'binding.created',
  'binding.approved',
  'binding.joined',
  'binding.rotated',
  'binding.locked',
  'binding.expired',
  'binding.removed',
  'trust.added',
  'trust.updated',
  'trust.removed',
  'resource.created',
  'resource.updated',
  'resource.retired',
  'grant.requested',
  'grant.approved',
  'grant.denied',
  'grant.withdrawn',
  'grant.lapsed',
  'grant.activated',
  'grant.expired',
  'grant.revoked',
  'mask.created',
  'mask.updated',
  'mask.retired',
  'evidence.exported',
  'ledger.opened',
  'ledger.recovered',
  'ledger.key.rotated',
  'config.changed',
  'payload.erased',
  'legal_hold.placed',
  'legal_hold.released',
  'retention.changed',
  'parameters.changed',
  'person.enabled',
  'person.invited',
  'person.login',
  'person.login_refused',
  'person.logout',
  'person.session_ended',
  'authenticator.added',
  'authenticator.removed',
  'recovery_codes.issued',
  'identity_provider.created',
  'identity_provider.updated',
  'identity_provider.removed',
  'directory.created',
  'directory.updated',
  'directory.removed',
  'group.created',
  'group.updated',
  'group.removed',
  'vault.key.rotated',
  'policy.created',
  'policy.updated',
  'policy.retired',
  'notice.given',
  'notice.ended',
  'resource.secret_rotated',
  'review.opened',
  'review.decided',
  'review.delegated',
  'review.lapsed',
  'review.closed',
  'grant.narrowed',
  'service.started',
  'service.stopped',
  'activity.reviewed',
  'review.reminded',
  'review.escalated',
  'channel.created',
  'channel.updated',
  'channel.retired',
  'link.added',
  'link.removed',
  'notification.failed',
  'alert.raised',
  'alert.repeated',
  'alert.acknowledged',
  'alert.explained',
  'alert.resolved',
  'resource.reconciled',
  'unmanaged.found',
  'unmanaged.disposed',
  'unmanaged.gone',
  'sink.created',
  'sink.updated',
  'sink.paused',
  'sink.resumed',
  'sink.retired',
  'sink.delivered',
  'sink.failed',
  'sink.recovered',
] as const;

export type RecordType = (typeof RECORD_TYPES)[number];

/** A name beside its id, so that a leaf reads without a second table. */
export interface Ref {
  readonly id: string;
  readonly name: string;
}

/** Who did it. `system` is Postern itself (expiry, recovery); `directory` the one that tells of joiners and leavers. */
export interface Actor extends Ref {
  readonly kind: 'person' | 'principal' | 'system' | 'directory';
}

/** One on whose behalf a principal acts. */
export interface Delegator extends Ref {
  readonly kind: 'person' | 'principal';
  /** Id of the delegation by which they let the next one act. */
  readonly delegation: string;
}

/** Fields of every record, in this order in the JSON. */
export interface RecordBase {
  /** UUIDv7. */
  readonly id: string;
  /** RFC 3339 UTC, microseconds. */
  readonly time: string;
  readonly type: RecordType;
  readonly actor: Actor;
  /** The principal whose `principalSeq` this record takes. Absent where it concerns none. */
  readonly principal?: Ref;
}

/** A change to who may do what. `before` is null for a creation. Folding these reproduces the state tables. */
export interface ChangeRecord extends RecordBase {
  readonly change: {
    readonly entity:
      | 'person'
      | 'principal'
      | 'resource'
      | 'grant'
      | 'credential'
      | 'binding'
      | 'trust'
      | 'delegation'
      | 'mask'
      | 'legal_hold'
      | 'retention'
      | 'parameters'
      | 'authenticator'
      | 'identity_provider'
      | 'directory'
      | 'group'
      | 'sign_in'
      | 'lifecycle'
      | 'notice'
      | 'declaration'
      | 'policy'
      | 'request'
      | 'review'
      | 'review_item'
      | 'review_schedule'
      | 'evidence_schedule'
      | 'log_review'
      | 'channel'
      | 'link'
      | 'alert'
      | 'alert_rules'
      | 'reconciliation'
      | 'unmanaged'
      | 'sink';
    readonly id: string;
    readonly before: object | null;
    readonly after: object;
  };
  /** Why, in the words of the actor, where they gave any. */
  readonly reason?: string;
}

/** How a person showed who they are. `invitation`: by the link that an administrator gave them. */
export const SIGN_IN_METHODS = ['oidc', 'device', 'passkey', 'recovery_code', 'invitation'] as const;
export type SignInMethod = (typeof SIGN_IN_METHODS)[number];

/** A person came in, or left. Who may do what is not changed by it. */
export interface SignInRecord extends RecordBase {
  readonly person: Ref;
  readonly login: {
    /** Id of the session that began or ended. */
    readonly session: string;
    readonly kind: 'browser' | 'cli';
    readonly method: SignInMethod;
    /** The identity provider, where there was one. */
    readonly provider: Ref | null;
    /** Client address. */
    readonly source: string;
    /** When the person showed who they are; null where the provider does not say. */
    readonly authenticatedAt: string | null;
    /** When the session ends at the latest. */
    readonly expiresAt: string;
  };
  readonly reason?: string;
}

/** Attempts to come in that were refused. Equal ones of a minute are one record, so that nobody can fill the log with them. */
export interface LoginRefused extends RecordBase {
  readonly type: 'person.login_refused';
  readonly refused: {
    readonly method: string;
    readonly reason: string;
    /** Client address; null for the sum of those that were too many to tell apart. */
    readonly source: string | null;
    readonly count: number;
    readonly since: string;
  };
}

/** A rule of the access policy, as it stood. */
export interface RuleRef {
  readonly policy: string;
  readonly revision: number;
  readonly rule: string;
}

/** On whose word a grant exists. */
export interface Authority {
  /** `approval`: people agreed; `policy`: the policy gives it at once; `emergency`: it does so where somebody says that it is one. */
  readonly kind: 'approval' | 'policy' | 'emergency';
  /** The request and the rule that it rests on; absent where a person made the grant on their own word. */
  readonly request?: string;
  readonly rule?: RuleRef;
  /** By when the use of an emergency grant must have been reviewed. */
  readonly reviewBy?: string;
  readonly approvers: readonly Ref[];
  /** The ticket or change number. */
  readonly ticket: string | null;
  readonly justification: string | null;
}

/** Requests for a credential that were refused. Those of one address in a minute for one reason are one record, so that nobody fills the log. */
export interface CredentialRefused extends RecordBase {
  readonly type: 'credential.refused';
  /** Address of the client; null where they came from more addresses than are told apart. */
  readonly source: string | null;
  readonly code: string;
  readonly reason: string;
  /** Since `since`. */
  readonly count: number;
  readonly since: string;
}

/** In each record of a session whose credential is used on behalf of others; absent from others. */
export interface Delegated {
  /** The origin first. */
  readonly delegation?: readonly Delegator[];
}

export interface SessionRecord extends RecordBase, Delegated {
  readonly session: string;
  readonly resource?: Ref;
  readonly protocol: string;
  /** Client address `host:port`. */
  readonly source: string;
}

/** The token, or the certificate of another authority, that proved a principal: what tells it again, and what it said that is worth keeping. Never the token. */
export interface TokenProof {
  readonly issuer: string;
  readonly subject: string | null;
  /** The token's own id, where it has one. */
  readonly jti: string | null;
  /** Of the token, hex. */
  readonly sha256: string;
  /** Claims that were bound, and those that the platform's preset names (a run, a commit). */
  readonly claims: Readonly<Record<string, string>>;
}

export interface SessionOpened extends SessionRecord {
  readonly type: 'session.opened';
  readonly credential: string;
  /** Where a token opened it. The same token may open several. */
  readonly proof?: TokenProof;
  readonly grants: readonly string[];
  /** TLS protocol and cipher of the client leg and of the upstream leg; null for an unencrypted leg. */
  readonly tls: { readonly client: string | null; readonly upstream: string | null };
  readonly database: string;
  readonly upstreamUser: string;
  /** `ephemeral`: a role made for this session, with what its grants give and no more; `fixed`: the resource's user. */
  readonly upstreamIdentity: 'ephemeral' | 'fixed';
  /** What the client calls itself (PostgreSQL `application_name`), at most 128 characters. */
  readonly client: string | null;
}

export interface SessionRefused extends SessionRecord {
  readonly type: 'session.refused';
  readonly code: string;
  readonly reason: string;
  /** How many like it, where it stands for several; `source` is that of the last. */
  readonly repeated?: number;
}

export interface SessionClosed extends SessionRecord {
  readonly type: 'session.closed';
  /** `client`, `upstream`, `grant.expired`, `grant.revoked`, `principal.disabled`, `credential.revoked`, `shutdown`, `error`, ... */
  readonly reason: string;
  readonly durationUs: number;
  readonly commands: number;
  readonly denied: number;
}

/** Fields shared by an intent and a denial. */
export interface CommandRecord extends RecordBase, Delegated {
  readonly session: string;
  readonly resource: Ref;
  readonly protocol: string;
  readonly verbs: readonly string[];
  /** `schema.table` or what the protocol calls its objects; sorted, without repeats. */
  readonly objects: readonly string[];
  /** Hex fingerprint of the statement without its literals; null where it does not parse. */
  readonly fingerprint: string | null;
}

export interface CommandIntent extends CommandRecord {
  readonly type: 'command.intent';
  readonly grant: string;
  readonly decision: { readonly effect: 'allow'; readonly rule: string };
}

export interface CommandDenied extends CommandRecord {
  readonly type: 'command.denied';
  readonly decision: { readonly effect: 'deny'; readonly code: string; readonly reason: string };
}

export interface CommandOutcome extends RecordBase, Delegated {
  readonly type: 'command.outcome';
  readonly session: string;
  readonly resource: Ref;
  /** `id` of the intent. */
  readonly intent: string;
  /** `skipped`: an earlier failure in the same pipeline kept the resource from running it. `unknown`: the session ended first. */
  readonly status: 'ok' | 'error' | 'skipped' | 'unknown';
  /** Native result: the command tag (`SELECT 3`) or the SQLSTATE; Postern's own code where it broke the command off. */
  readonly code: string;
  readonly rows: number;
  readonly bytes: number;
  readonly durationUs: number;
  /** Hex SHA-256 of the DataRow and CopyData messages that the client was sent, whole and in order; where the resource asks for it. */
  readonly digest?: string;
  /** Body of the request, where it had one: its bytes as far as they came, and their SHA-256 in hex; null for what has no end (a WebSocket). */
  readonly body?: { readonly bytes: number; readonly sha256: string | null };
  /** What was masked in the result; absent where nothing was. */
  readonly masked?: readonly MaskedColumn[];
}

/** A column of a result, or of the table it came from, in which values were masked. */
export interface MaskedColumn {
  /** `schema.table.column`, or the name in the result of a value that is no column. */
  readonly column: string;
  /** The mask rule and its revision at that time; null for a column that could not be traced, which is masked without one. */
  readonly rule: string | null;
  readonly revision: number;
  /** In how many rows a value was replaced. */
  readonly rows: number;
}

/** How far a sink has come: said now and then, and when it begins or stops to fail. Who may do what is not changed by it. */
export interface SinkRecord extends RecordBase {
  readonly type: 'sink.delivered' | 'sink.failed' | 'sink.recovered';
  readonly sink: Ref;
  readonly delivery: {
    /** Every leaf before this one is delivered. */
    readonly next: number;
    /** When the last events were taken; null where none was yet. */
    readonly at: string | null;
    /** Events that the receiver said it does not want, since Postern was started. */
    readonly rejected: number;
    /** Since when it fails, or failed. */
    readonly failingSince?: string;
    /** What keeps it from being delivered. */
    readonly fault?: string;
  };
}

/** Texts that leaves commit to were destroyed for good. The leaves and every proof of them stay as they are. */
export interface PayloadErased extends RecordBase {
  readonly type: 'payload.erased';
  readonly erasure: {
    /** `YYYY-MM-DD`, UTC: of records of that day. */
    readonly day: string;
    readonly kinds: readonly string[];
    /** How many texts. Equal texts of one principal and day are one. */
    readonly payloads: number;
    /** Which ones, in hex; null where it was every text of those kinds that the principal had on that day. */
    readonly commitments: readonly string[] | null;
    /** The record that was named, where it was one. */
    readonly record: string | null;
    readonly cause: 'request' | 'retention';
  };
  readonly reason: string;
}

/** Postern was started or stopped: what is missing between the two was not asked for, since nothing was let through. */
export interface ServiceRecord extends RecordBase {
  readonly type: 'service.started' | 'service.stopped';
  readonly service: { readonly version: string; readonly node: string };
}

/** A message that was given up after its last try. Whether somebody was told is part of what an examiner asks. */
export interface NotificationFailed extends RecordBase {
  readonly type: 'notification.failed';
  readonly notification: {
    readonly delivery: string;
    readonly channel: Ref;
    /** What it told of, and the id of the record that did. */
    readonly kind: string;
    readonly event: string;
    /** Id of the person to whom it was to go; null for a place of the channel's own. */
    readonly person: string | null;
    readonly attempts: number;
    readonly error: string;
  };
}

/** A master key took over from another, and a fresh data key from the one before. Neither is a secret here. */
export interface VaultKeyRotated extends RecordBase {
  readonly type: 'vault.key.rotated';
  readonly masterKey: { readonly before: MasterKeyRef; readonly after: MasterKeyRef };
  /** Number of the data key that seals from then on. */
  readonly dataKey: number;
  readonly reason: string;
}

export interface MasterKeyRef {
  readonly id: string;
  /** `data directory`, `file`, `environment`, `command` or `exec`. */
  readonly provider: string;
}

/** What is kept apart from the leaf, encrypted; the leaf holds `SHA-256(salt || payload)`. */
export interface Payload {
  readonly kind: PayloadKind;
  readonly data: Uint8Array;
}

/** `parameters` is a JSON array, one element per value: null, `{"text":...}` or `{"base64":...}`, with `type` where known. */
export const PAYLOAD_KINDS = ['statement', 'parameters'] as const;
export type PayloadKind = (typeof PAYLOAD_KINDS)[number];

/** What the sequencer adds in front of a record to make it a leaf entry. */
export interface LeafFields {
  readonly v: 1;
  readonly leaf: number;
  readonly principalSeq?: number;
  readonly payloads?: Partial<Record<PayloadKind, { readonly commitment: string; readonly bytes: number }>>;
}

/**
 * Where records go. `append` queues one record; `flush` writes everything queued since the last flush with
 * one write and throws `PosternError('POSTERN_AUDIT_UNAVAILABLE')` when that fails, in which case none of the
 * queued records counts as written and the queue is empty again.
 */
export interface RecordSink {
  /** `json`: the record, one JSON object without `v`, `leaf`, `principalSeq` or `payloads`, beginning `{"id":`. */
  append(json: string, payloads?: readonly Payload[]): void;
  flush(): void;
}
