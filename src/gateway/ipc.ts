/**
 * What the control process and its workers say to each other over the fork's channel (structured clone).
 */
import type { OwnTraces, Survey } from '../core/upstream-facts.ts';
import type { Delta, ResourceView, Snapshot } from '../core/views.ts';
import type {
  AccessAnswer,
  AccessAsk,
  CredentialAnswer,
  Limits,
  PasswordChange,
  SessionInfo,
  TestStep,
} from '../protocols/contract.ts';

export interface Address {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Where clients of each protocol connect; null: nowhere. */
export interface Listen {
  readonly postgres: Address;
  readonly http: Address | null;
}

export interface WorkerStart {
  readonly type: 'start';
  readonly worker: number;
  readonly workers: number;
  readonly journalDir: string;
  readonly listen: Listen;
  readonly limits: Limits;
  readonly tlsRequired: boolean;
  readonly tls: { readonly caPem: string; readonly certPem: string; readonly keyPem: string };
  readonly scramSecret: Uint8Array;
  /** Key of the keyed masks (`src/masking`). */
  readonly maskKey: Uint8Array;
  readonly snapshot: Snapshot;
}

export type ToWorker =
  | WorkerStart
  | { readonly type: 'delta'; readonly call: number; readonly delta: Delta }
  | { readonly type: 'sessions'; readonly call: number }
  /** Begin a new journal file, so that the one so far can be deleted. */
  | { readonly type: 'rotate-journal'; readonly call: number }
  | { readonly type: 'test'; readonly call: number; readonly resource: ResourceView }
  /** Log in with the upstream credential of the resource and, with `change`, replace a password there. */
  | {
      readonly type: 'credential';
      readonly call: number;
      readonly resource: ResourceView;
      readonly change: PasswordChange | null;
    }
  | { readonly type: 'survey' | 'traces'; readonly call: number; readonly resource: ResourceView }
  | { readonly type: 'cancel'; readonly key: Uint8Array }
  /** The issuer was asked for its keys, or was so a moment ago; what it answered came before as a delta. */
  | { readonly type: 'keys-asked'; readonly issuer: string }
  /** What came of an `ask-access`. A grant came before as a delta. */
  | { readonly type: 'access-answer'; readonly ask: number; readonly answer: AccessAnswer }
  /** Stop listening, close what is idle, the rest when it is idle or `graceMs` are over; then exit. */
  | { readonly type: 'shutdown'; readonly graceMs: number };

export type FromWorker =
  | { readonly type: 'listening'; readonly listen: Listen }
  | { readonly type: 'applied' | 'journal-rotated'; readonly call: number }
  | { readonly type: 'sessions'; readonly call: number; readonly sessions: readonly SessionInfo[] }
  | { readonly type: 'tested'; readonly call: number; readonly steps: readonly TestStep[] }
  | { readonly type: 'credential-tried'; readonly call: number; readonly answer: CredentialAnswer }
  | { readonly type: 'surveyed'; readonly call: number; readonly survey: Survey }
  | { readonly type: 'traced'; readonly call: number; readonly traces: OwnTraces | null }
  | { readonly type: 'cancel'; readonly worker: number; readonly key: Uint8Array }
  /** A token names a key of the issuer that is not known. */
  | { readonly type: 'ask-keys'; readonly issuer: string }
  /** Somebody connects without a grant; the policy may say that this asks for one. */
  | { readonly type: 'ask-access'; readonly ask: number; readonly access: AccessAsk }
  /** The resource does not take its password, which is kept elsewhere. */
  | { readonly type: 'password-refused'; readonly resource: string }
  /** The journal does not take records (`reason`), or takes them again (null). */
  | { readonly type: 'journal'; readonly reason: string | null };
