/** What the API needs of the rest of Postern. `serve` puts it together; tests can too. */
import type { Control } from '../access/control.ts';
import type { LifeRecord, RecordDetail, ToldItem } from '../activity/activity.ts';
import type { ActivityFilter } from '../activity/filter.ts';
import type { ObservedClass } from '../activity/observed.ts';
import type { ActivityItem, ActivityPage, PageOptions } from '../activity/query.ts';
import type { SinkState } from '../activity/sinks/delivery.ts';
import type { DeliveredSink } from '../activity/sinks/senders.ts';
import type { ActivitySummary } from '../activity/summary.ts';
import type { KeyRotation } from '../activity/thread-messages.ts';
import type { SourceSeen } from '../activity/uses.ts';
import type { Witnessing } from '../activity/witnessing.ts';
import type { Ref } from '../core/record.ts';
import type { OwnTraces, Survey } from '../core/upstream-facts.ts';
import type { ResourceView } from '../core/views.ts';
import type { ChosenFramework } from '../evidence/assess/choose.ts';
import type { Assessment, Period } from '../evidence/assess/types.ts';
import type { Part, TextMode } from '../evidence/format.ts';
import type { EvidenceJobs } from '../evidence/jobs/jobs.ts';
import type { KeyChange } from '../ledger/log-key.ts';
import type { PublishedLog } from '../ledger/published-log.ts';
import type { TlsMaterial } from '../vault/ca.ts';

export interface ActivityReader {
  query(filter: ActivityFilter, page?: PageOptions): ActivityPage | Promise<ActivityPage>;
  /** The items with their statements and parameters. */
  withTexts(items: readonly ActivityItem[]): readonly ToldItem[] | Promise<readonly ToldItem[]>;
  summary(filter: ActivityFilter): ActivitySummary | Promise<ActivitySummary>;
  /** One record with its statement, parameters and outcome. @throws PosternError POSTERN_NOT_FOUND */
  record(id: string): RecordDetail | Promise<RecordDetail>;
  /** Ids of the resources on which a principal did anything on a day. */
  resourcesOf(principal: string, day: string): Promise<readonly string[]>;
  /** When principals (ids) were last used, as far as the index has come; those never used are absent. */
  lastUses(ids: readonly string[]): ReadonlyMap<string, string>;
  /** What became of a principal (id), from after a leaf on. */
  history(principal: string, after: number, limit: number): readonly LifeRecord[];
  /** What was seen of whom and where, by class of statement. */
  observed(filter: Pick<ActivityFilter, 'principal' | 'resource' | 'since'>): readonly ObservedClass[];
  /** Networks from which sessions of a principal (id) were opened. */
  sources(principal: string): readonly SourceSeen[];
  /** How many records of a principal on a day have one of the texts, given by their commitments. */
  sharing(principal: string, day: string, commitments: readonly string[]): Promise<number>;
}

export interface LedgerState {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** The signed note, whole. */
  readonly checkpoint: string;
  readonly vkey: string;
  /** What was lost of journals before it was in the log, a sentence each. */
  readonly losses: readonly string[];
  /** What keeps the log from growing, in words; null when all is well. */
  readonly fault: string | null;
}

export interface EvidenceParams {
  readonly principal?: string;
  readonly resource?: string;
  readonly since?: string;
  readonly until?: string;
  readonly statements?: TextMode;
  /** The activity in other forms besides. */
  readonly parts?: readonly Part[];
  /** Instead of `since` and `until`. */
  readonly period?: Period;
  readonly framework?: ChosenFramework;
}

export interface LiveSessionInfo {
  readonly id: string;
  readonly principal: Ref;
  readonly resource: Ref;
  readonly source: string;
  readonly startedAt: string;
  readonly commands: number;
  readonly denied: number;
  readonly grants: readonly string[];
}

export interface GatewayState {
  sessions(): readonly LiveSessionInfo[] | Promise<readonly LiveSessionInfo[]>;
  testResource(resource: ResourceView): Promise<{
    readonly ok: boolean;
    readonly steps: readonly {
      readonly step: string;
      readonly ok: boolean;
      readonly detail: string;
      readonly ms: number;
    }[];
  }>;
  /** Has a worker ask a resource who reaches it; with what the workers do there themselves. */
  survey(resource: ResourceView): Promise<{
    readonly survey: Survey;
    readonly before: readonly OwnTraces[] | null;
    readonly after: readonly OwnTraces[] | null;
  }>;
  health(): { readonly workers: number; readonly reasons: readonly string[] };
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The logger's surface that is used; pino fits. */
export interface ApiLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface SinkDelivery {
  state(id: string): SinkState | null;
  warnings(): readonly string[];
  /** What keeps an event from arriving; null where it arrived. */
  test(sink: DeliveredSink): Promise<string | null>;
}

export interface ApiDeps {
  readonly control: Control;
  readonly activity: ActivityReader;
  readonly ledger: {
    status(): LedgerState | Promise<LedgerState>;
    /** Resolves when everything journalled before the call is in the log, the index and under a checkpoint. */
    flush(): Promise<unknown>;
    /** @throws PosternError POSTERN_CONFLICT where the keys are provided from outside */
    rotateKey(rotation: KeyRotation): Promise<KeyChange>;
  };
  readonly witnesses: Pick<Witnessing, 'status' | 'warnings'>;
  /** How long the old signing key of the log signs beside a new one, unless asked otherwise. */
  readonly keyOverlapDays: number;
  /** The released log, and where in it a record is. */
  readonly log: PublishedLog;
  findLeaf(id: string): number | null;
  /** Assesses the log as it is now; with a framework and a period. */
  assessEvidence(params: EvidenceParams): Promise<Assessment>;
  readonly evidence: EvidenceJobs;
  /** Folders of this machine to which packages may be put. */
  readonly evidenceFolders: readonly string[];
  readonly sinks: SinkDelivery;
  readonly gateway: GatewayState;
  readonly tls: TlsMaterial;
  /** Where clients reach Postern, known once it listens. */
  addresses(): { readonly api: Address; readonly postgres: Address; readonly http: Address | null };
  /** The address under which browsers reach the API, without a slash at the end: `https://host:port`. */
  publicUrl(): string;
  readonly version: string;
  readonly logger?: ApiLogger;
}
