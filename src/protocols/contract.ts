/**
 * The decision and record interfaces: all that a protocol knows of the rest of Postern. A gateway worker
 * implements them (`src/gateway`).
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { TokenKey } from '../core/jws.ts';
import type { Payload } from '../core/record.ts';
import type { TrustStore } from '../core/trust.ts';
import type { OwnTraces, Survey } from '../core/upstream-facts.ts';
import type { CredentialView, GrantView, MaskRuleView, PrincipalView, ResourceView } from '../core/views.ts';

/** The write-ahead record of one worker: everything of one event-loop turn goes out in one write. */
export interface Recorder {
  /** Queues a record; it is written at the end of this turn. */
  append(json: string, payloads?: readonly Payload[]): void;
  /**
   * Calls back, in order, once everything queued before this call is as durable as asked: `written` is false
   * when it could not be, in which case nothing that depends on it may be forwarded.
   */
  afterWrite(durability: 'process' | 'power', callback: (written: boolean) => void): void;
}

/** Look-ups in the snapshot. Never asks another process. */
export interface Directory {
  principalByName(name: string): PrincipalView | undefined;
  principal(id: string): PrincipalView | undefined;
  resourceByName(name: string): ResourceView | undefined;
  resource(id: string): ResourceView | undefined;
  resources(): Iterable<ResourceView>;
  credential(id: string): CredentialView | undefined;
  /** When something ended on which credentials stand, in milliseconds; undefined where this worker was told of none. */
  endedAt(id: string): number | undefined;
  /** Keys with which tokens of an issuer are verified; none where they are not known. */
  tokenKeys(issuer: string): readonly TokenKey[];
  /** Who is trusted to say who somebody is by a certificate or an SVID. */
  readonly trust: TrustStore;
  /** All credentials of a principal that are still known, whatever their status. */
  credentialsOf(principalId: string): readonly CredentialView[];
  /** All grants of a principal on a resource that are still known, whatever their status. */
  grantsOf(principalId: string, resourceId: string): readonly GrantView[];
  /**
   * The active mask rules for a principal on a resource, those of single grants included (`grantId`). The array is
   * the same one until a rule that concerns them changes.
   */
  masksOf(principalId: string, resourceId: string): readonly MaskRuleView[];
}

export interface Limits {
  /** Time for everything before the session is ready, in milliseconds. */
  readonly handshakeMs: number;
  /** Time for connecting and authenticating upstream, in milliseconds. */
  readonly upstreamMs: number;
  /** Largest message that must be held whole to be examined, in bytes. */
  readonly messageBytes: number;
  /** Sessions of this worker. */
  readonly sessions: number;
  /** How long a client is held whose request waits for people, in milliseconds. */
  readonly holdMs: number;
  /** Connections of this worker that have not authenticated yet. */
  readonly handshakes: number;
}

/** A principal that proved itself connects to a resource without an active grant. */
export interface AccessAsk {
  /** Ids. */
  readonly principal: string;
  readonly resource: string;
  /** Id of the credential, or of the binding where a token or a certificate was shown. */
  readonly credential: string;
  /** Client address, without its port. */
  readonly source: string;
  /** What the token said that was shown; null where none was. */
  readonly claims: Readonly<Record<string, string>> | null;
}

/** `none`: connecting asks for nothing here. */
export type AccessAnswer =
  | { readonly outcome: 'none' | 'granted' }
  | { readonly outcome: 'denied'; readonly reason: string }
  | { readonly outcome: 'pending'; readonly request: string; readonly needs: readonly string[] };

/** Why a session was ended by Postern. `kind` is what the record says, `code` and `message` what the client reads. */
export interface SessionEnd {
  readonly kind: string;
  readonly code:
    | 'POSTERN_GRANT_EXPIRED'
    | 'POSTERN_GRANT_REVOKED'
    | 'POSTERN_PRINCIPAL_INACTIVE'
    | 'POSTERN_SHUTTING_DOWN'
    | 'POSTERN_TIMEOUT';
  readonly message: string;
  readonly hint?: string;
}

/** A session as the worker sees it. */
export interface LiveSession {
  readonly id: string;
  /** Ends the session if it must end: called a few times a second, and with `changed` after every change of the snapshot. */
  recheck(changed: boolean): void;
  /** Whether it could be closed now without breaking off a command or a transaction. */
  idle(): boolean;
  end(why: SessionEnd): void;
  info(): SessionInfo;
}

export interface SessionInfo {
  readonly id: string;
  readonly principal: { readonly id: string; readonly name: string };
  readonly resource: { readonly id: string; readonly name: string };
  readonly source: string;
  readonly startedAt: string;
  readonly commands: number;
  readonly denied: number;
  readonly grants: readonly string[];
}

export interface Gateway {
  readonly worker: number;
  /** How many there are. */
  readonly workers: number;
  /** Tells this Postern's own traces in a resource from those of another. No secret. */
  readonly installation: string;
  readonly directory: Directory;
  readonly recorder: Recorder;
  readonly limits: Limits;
  /** Client-leg TLS; a session without it is refused unless `tlsRequired` is false. */
  readonly tls: () => SecureContext;
  /** What {@link tls} is made of: the same object until that is made anew. */
  readonly tlsOptions: () => SecureContextOptions;
  readonly tlsRequired: boolean;
  /** The authority that issues certificates to principals. */
  readonly clientCa: X509Certificate;
  /** Secret behind `scramSalt`. */
  readonly scramSecret: Buffer;
  /** Key of the keyed masks (`src/masking`). */
  readonly maskKey: Buffer;
  /** False when the worker is full or shutting down. */
  admit(): boolean;
  opened(session: LiveSession): void;
  closed(session: LiveSession): void;
  /**
   * Has an issuer asked for its keys, since a token names one that is not known. Resolves when the directory has what it
   * answered, when it was asked a moment ago, or after some seconds.
   */
  askKeys(issuer: string): Promise<void>;
  /**
   * Asks for access where the policy says that connecting does. Where people have to agree, it waits for them up to `holdMs`, unless
   * the signal says that nobody waits any more. `granted`: the directory has the grant. Never throws.
   */
  askAccess(ask: AccessAsk, signal: AbortSignal): Promise<AccessAnswer>;
  /** A resource has refused a password that is kept elsewhere: it may have been replaced there. */
  passwordRefused(resource: string): void;
  /** A cancel request that belongs to another worker. */
  routeCancel(worker: number, key: Buffer): void;
}

/** One step of `resource test`. */
export interface TestStep {
  readonly step: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly ms: number;
}

/** A password that a user of a resource is to have from now on, as the verifier that the server stores. */
export interface PasswordChange {
  readonly user: string;
  readonly verifier: string;
}

/** `refused`: the server does not take the password with which it was tried. */
export type CredentialAnswer =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'refused' | 'failed'; readonly why: string };

export interface Protocol {
  /** Takes over an accepted connection. */
  accept(socket: Socket): void;
  /** Hands over to the recorder what is still to be recorded: before the worker ends. */
  flush(): void;
  /** A cancel request received by another worker. */
  cancel(key: Buffer): void;
  test(resource: ResourceView): Promise<readonly TestStep[]>;
  /** Asks the resource who can and who does reach it, with its administering credential where it has one. Never throws. */
  survey?(resource: ResourceView): Promise<Survey>;
  /** What this worker does at the resource itself. There where `survey` is. */
  traces?(resource: ResourceView): OwnTraces;
  /** Logs in with the upstream credential and, with `change`, replaces a password there. Never throws. */
  credential(resource: ResourceView, change: PasswordChange | null): Promise<CredentialAnswer>;
}
