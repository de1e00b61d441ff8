/** What the control API answers. Times are RFC 3339. */
import type { ErasurePreview as Preview, RetentionRun as Run } from '../../access/erasures.ts';
import type { ActivityItem } from '../../activity/query.ts';
import type { SinkState } from '../../activity/sinks/delivery.ts';
import type { SourceSeen } from '../../activity/uses.ts';
import type { Ref } from '../../core/record.ts';
import type { LintFinding } from '../../identity/presets/lint.ts';
import type { Erased } from '../../ledger/payloads.ts';
import type {
  Alert,
  Binding,
  Credential,
  Grant,
  Principal,
  Resource,
  Review,
  ReviewItem,
  ReviewSchedule,
  Sink as StoredSink,
} from '../../store/entities.ts';

export type { LogReviewsMade } from '../../access/log-reviews.ts';
export type { MaskBacktest } from '../../access/mask-backtest.ts';
export type { Backtest } from '../../access/policy/backtest.ts';
export type { ReviewView } from '../../access/review/view.ts';
export type { SavedQuery } from '../../access/saved-queries.ts';
export type { ToldItem } from '../../activity/activity.ts';
export type { ActivityItem } from '../../activity/query.ts';
export type { ActivitySummary } from '../../activity/summary.ts';
export type { SourceSeen } from '../../activity/uses.ts';
export type { HistoryStep } from '../../api/history.ts';
export type { Preview as ReviewPreview } from '../../api/review-preview.ts';
export type { PersonSession } from '../../identity/sessions.ts';
export type {
  AccessPolicy,
  AccessRequest,
  AlertRules,
  Authenticator,
  Binding,
  Credential,
  Directory,
  Grant,
  IdentityProvider,
  LegalHold,
  LifecyclePolicy,
  LogReview,
  MaskRule,
  Notice,
  Person,
  Principal,
  Reconciliation,
  Resource,
  RetentionPolicy,
  ReviewDecision,
  ReviewItem,
  Trust,
  Unmanaged,
} from '../../store/entities.ts';
export type { Channel, Delivery, Link } from '../../store/notify-entities.ts';

export type ListedReview = Review & { readonly items: Readonly<Record<ReviewItem['status'], number>> };

export type ListedSchedule = ReviewSchedule & { readonly nextAt: string | null };

export type ListedAlert = Alert & { readonly text: string };

/** A leaf of the log, as far as it is shown with an alert. */
interface AlertRecord {
  readonly leaf: number;
  readonly time: string;
  readonly type: string;
  readonly resource?: Ref;
  readonly source?: string;
  readonly client?: string | null;
  readonly verbs?: readonly string[];
  readonly objects?: readonly string[];
  readonly decision?: { readonly reason?: string };
  readonly code?: string;
  readonly reason?: string;
}

export interface ShownAlert {
  readonly alert: ListedAlert;
  readonly records: readonly AlertRecord[];
  /** Why the caller does not close it; null where they may. */
  readonly refusal: string | null;
}

export interface ShownReviewItem {
  readonly item: ReviewItem;
  /** Why the caller does not decide on it; null where they do. */
  readonly refusal: string | null;
  /** `text` is JSON, byte for byte what `sha256` is of. */
  readonly view: { readonly sha256: string; readonly shownAt: string; readonly text: string } | null;
}

/** A grant of which something is not used. */
export type UnusedGrant = Pick<Grant, 'id' | 'principal' | 'resource' | 'scope' | 'start' | 'end'> & {
  readonly rights: number;
  readonly unused: readonly { readonly verb: string; readonly object: string }[];
  readonly unresolved: number;
};

/** A resource as it is answered by itself. */
export type ShownResource = Resource & { readonly faults: readonly string[] };

/** A binding as it is answered when it was made. */
export type BindingMade = Binding & { readonly findings: readonly LintFinding[] };

export interface BindingFinding extends LintFinding {
  readonly binding: string;
  readonly principal: Ref;
}

/** Times are RFC 3339. */
export interface IssuerState {
  readonly issuer: string;
  readonly state: string;
  readonly keys: readonly { readonly kid: string | null; readonly alg: string }[];
  readonly fetchedAt: string | null;
  readonly trustedUntil: string | null;
  readonly error: string | null;
}

export interface ListedPrincipal extends Principal {
  readonly lastUsedAt: string | null;
}

export interface PrincipalDetail extends ListedPrincipal {
  /** Those that hold, or wait for somebody. */
  readonly bindings: readonly Binding[];
  readonly grants: readonly Grant[];
  readonly credentials: readonly Credential[];
  readonly sources: readonly SourceSeen[];
  /** Alerts that nobody has closed. */
  readonly alerts: number;
}

export interface ResourceTest {
  readonly ok: boolean;
  readonly steps: readonly {
    readonly step: string;
    readonly ok: boolean;
    readonly detail: string;
    readonly ms: number;
  }[];
}

export interface IssuedCredential {
  readonly credential: Credential;
  readonly username: string;
  readonly password: string;
  readonly connection: {
    readonly host: string;
    readonly port: number;
    /** Null: nothing listens for HTTP. */
    readonly http: { readonly host: string; readonly port: number } | null;
    readonly ca: string;
  };
}

export interface IssuedCertificate extends Omit<IssuedCredential, 'password'> {
  readonly certificate: string;
}

export interface Session {
  readonly id: string;
  readonly principal: Ref;
  readonly resource: Ref;
  readonly source: string;
  readonly startedAt: string;
  readonly commands: number;
  readonly denied: number;
  readonly grants: readonly string[];
}

export interface ActivityDetail extends ActivityItem {
  /** The leaf as it is stored. */
  readonly record: object;
  readonly outcome: object | null;
  readonly statement: string | null;
  readonly parameters: readonly unknown[] | null;
  /** By kind of text: who destroyed it, when and why. */
  readonly erased: Readonly<Record<string, Erased>>;
}

export interface LedgerStatus {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  /** The signed note. */
  readonly checkpoint: string;
  /** One key a line, the newest first. */
  readonly vkey: string;
  /** What was lost of journals before it was in the log. */
  readonly losses: readonly string[];
}

export interface LedgerWitnesses {
  readonly items: readonly {
    readonly name: string;
    readonly url: string;
    readonly vkey: string;
    readonly state: 'waiting' | 'ok' | 'lagging' | 'unreachable' | 'refuses';
    readonly size: number | null;
    readonly cosignedAt: string | null;
    readonly error: string | null;
    readonly periods: readonly {
      readonly from: string;
      readonly to: string;
      readonly fromSize: number;
      readonly toSize: number;
    }[];
  }[];
  readonly cosigned: { readonly size: number; readonly checkpoint: string } | null;
  readonly policy: { readonly met: boolean; readonly absent: readonly string[] } | null;
}

export interface RotatedKey {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly overlapUntil: string;
}

export interface MasterKeyInfo {
  readonly id: string;
  readonly provider: string;
  readonly since: string;
}

export interface RotatedMasterKey {
  readonly before: MasterKeyInfo;
  readonly after: MasterKeyInfo;
}

export interface VaultStatus {
  readonly masterKey: MasterKeyInfo;
  readonly dataKeys: readonly {
    readonly number: number;
    readonly made: string | null;
    readonly current: boolean;
    readonly secrets: number;
    readonly textKeys: number;
  }[];
  readonly unknown: number;
  readonly resealing: boolean;
}

export type RetentionRun = Run;

/** What is erased, or would be. */
export interface ErasurePreview extends Preview {
  /** How many records have one of the texts, where a single record was named and nothing is erased yet. */
  readonly records: number | null;
  /** Id of the record of it; null where nothing was erased yet. */
  readonly record: string | null;
}

/** What was used of what is granted on one resource. */
export interface RightSized {
  readonly resource: Ref;
  readonly granted: readonly string[];
  readonly suggested: string | null;
  readonly rights: readonly { readonly verb: string; readonly object: string; readonly commands: number }[];
  readonly unused: readonly { readonly verb: string; readonly object: string }[];
  readonly commands: number;
  readonly unresolved: number;
}

/** A sink, and how far it has come; null where nothing was delivered to it since Postern was started. */
export type Sink = StoredSink & {
  readonly delivery: (Omit<SinkState, 'id'> & { readonly behind: number }) | null;
};
