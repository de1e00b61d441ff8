/** The shape of an evidence package (docs/evidence.md): names, rows, manifest. */
import type { Ref } from '../core/record.ts';
import type { Period } from './assess/types.ts';

export const FORMAT = 'postern-evidence/1';
/** Raised whenever the same facts would give another file that verification makes again. */
export const RENDERER = 49;

export const FILES = {
  manifest: 'manifest.json',
  signature: 'manifest.json.sig',
  checkpoint: 'tlog/checkpoint',
  vkey: 'tlog/log.vkey',
  policy: 'tlog/policy',
  leaves: 'activity/leaves.ndjson',
  commands: 'activity/commands.ndjson',
  commandsCsv: 'activity/commands.csv',
  ocsf: 'activity/ocsf.ndjson',
  parquet: 'activity/commands.parquet',
  populationIndex: 'populations/index.json',
  framework: 'framework.json',
  parameters: 'parameters.yaml',
  assertions: 'assertions.json',
  report: 'report.html',
  reportPdf: 'report.pdf',
  workbook: 'workbook.xlsx',
  howTo: 'VERIFY.md',
  page: 'verify.html',
} as const;

/** What is shown of statements: everything; the text with its literals replaced; only that there is one, and its commitment. */
export const TEXT_MODES = ['full', 'masked', 'commitments'] as const;
export type TextMode = (typeof TEXT_MODES)[number];

/** The activity in other forms, for those who ask for them. They follow from the rest of the package. */
export const PARTS = ['ocsf', 'parquet'] as const;
export type Part = (typeof PARTS)[number];

/** How many payloads of the commands are shown in which form. */
export interface TextCounts {
  readonly full: number;
  readonly masked: number;
  /** By commitment only. */
  readonly withheld: number;
  readonly erased: number;
  readonly missing: number;
}

/** By what a package is assessed. */
export interface FrameworkRef {
  readonly id: string;
  readonly version: string;
  /** Whether it is the institution's own, and none of Postern. */
  readonly own: boolean;
  /** Of `framework.json`, hex. */
  readonly sha256: string;
}

/** What the package is about. */
export interface Parameters {
  readonly principal: Ref | null;
  readonly resource: Ref | null;
  /** RFC 3339, inclusive. */
  readonly since: string | null;
  /** RFC 3339, exclusive. */
  readonly until: string | null;
  /** Bind values are shown only where it is `full`. */
  readonly statements: TextMode;
  /** Absent where none was asked for. */
  readonly parts?: readonly Part[];
  /** What `since` and `until` are from; absent where they were given as they are. */
  readonly period?: Period;
  /** With it, the package has an assessment of the period. */
  readonly framework?: FrameworkRef;
}

export interface LogPosition {
  readonly origin: string;
  readonly size: number;
  /** base64 */
  readonly root: string;
  readonly vkey: string;
  /** Of the last leaf in the package: what is derived is as of then. Null where it has no leaf. */
  readonly time: string | null;
}

export interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: typeof FORMAT;
  readonly renderer: number;
  readonly generatedAt: string;
  readonly generatedBy: Ref;
  readonly parameters: Parameters;
  readonly log: LogPosition;
  /** `log`: every entry of the log is in the package. `principal`: the entries of one principal and what they refer to. */
  readonly coverage: 'log' | 'principal';
  /** How many records the log holds of each principal in the package: the signed statement that the last one is the last. */
  readonly principals: readonly { readonly id: string; readonly name: string; readonly records: number }[];
  readonly counts: {
    readonly leaves: number;
    readonly commands: number;
    readonly allowed: number;
    readonly denied: number;
    readonly unanswered: number;
  };
  /** Versions of the schemas of others, as far as files of them are in it. */
  readonly schemas?: { readonly ocsf: string };
  readonly files: readonly ManifestFile[];
}

/** A payload that was opened for the package, or why it is not there. */
export type PayloadShown =
  | { readonly commitment: string; readonly bytes: number; readonly salt: string; readonly text: string }
  | { readonly commitment: string; readonly bytes: number; readonly salt: string; readonly base64: string }
  | { readonly commitment: string; readonly bytes: number; readonly masked: string }
  | {
      readonly commitment: string;
      readonly bytes: number;
      readonly absent: 'erased' | 'missing' | 'withheld';
    };

export type PayloadsShown = Readonly<Record<string, PayloadShown>>;

/** One command: an intent with its outcome, or a denial. Everything but `payloads` follows from the leaves. */
export interface CommandRow {
  readonly leaf: number;
  readonly outcomeLeaf: number | null;
  readonly id: string;
  readonly time: string;
  readonly decision: 'allow' | 'deny';
  readonly principal: Ref | null;
  /** Who was accountable when the command was asked for. */
  readonly owner: Ref | null;
  readonly session: string;
  readonly resource: Ref | null;
  readonly grant: string | null;
  readonly approvers: readonly Ref[];
  readonly ticket: string | null;
  readonly justification: string | null;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string | null;
  /** Of an allowed command: the rule; of a denied one: code and reason. */
  readonly why: string;
  readonly status: string | null;
  readonly code: string | null;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly durationUs: number | null;
}

export type ShownCommandRow = CommandRow & { readonly payloads: PayloadsShown };

export const POPULATIONS = [
  'persons',
  'principals',
  'resources',
  'grants',
  'credentials',
  'delegations',
  'bindings',
  'trust',
  'masks',
  'notices',
  'sessions',
  'erasures',
  'legal_holds',
  'retention',
  'authenticators',
  'identity_providers',
  'directories',
  'groups',
  'policies',
  'requests',
  'reviews',
  'review_items',
  'log_reviews',
  'alerts',
  'reconciliations',
  'unmanaged',
  'grant_rights',
  'administrators',
  'log_health',
  'parameter_sets',
  'channels',
  'links',
  'sinks',
] as const;
export type Population = (typeof POPULATIONS)[number];

/** The text that is signed for a manifest. No checkpoint reads like it, so neither signature serves for the other. */
export function manifestNote(sha256: string): string {
  return `${FORMAT}\n${FILES.manifest} sha256 ${sha256}\n`;
}
