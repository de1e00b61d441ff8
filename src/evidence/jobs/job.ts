import type { Ref } from '../../core/record.ts';
import type { ExportOptions } from '../export.ts';

/** Where a job is. `expired`: its package was there, and was removed since nobody fetches it any more. */
export const JOB_STATUSES = ['waiting', 'running', 'done', 'failed', 'cancelled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** An evidence package that is being made, or was. */
export interface EvidenceJob {
  /** UUIDv7. */
  readonly id: string;
  readonly status: JobStatus;
  /** What the package is asked to be about, as the export takes it. */
  readonly params: ExportOptions['params'];
  /** The same, as the log says it. */
  readonly recorded: Readonly<Record<string, unknown>>;
  readonly requestedBy: Ref;
  /** The schedule that asked for it, and for which period; null where a person did. */
  readonly schedule: (Ref & { readonly period: string }) | null;
  /** RFC 3339, as all times. */
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Whole per cent; 100 only when it is done. */
  readonly percent: number;
  /** What is being done, in words. */
  readonly step: string;
  /** How often it was begun: more than once where the server ended meanwhile. */
  readonly attempts: number;
  /** Id of the record of the export. */
  readonly record: string;
  /** Length and SHA-256 (hex) of the zip; null before it is done. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** The signed checkpoint that the package is of: the next one proves that the log continues it. */
  readonly checkpoint: string | null;
  /** Until when the package is kept. */
  readonly expiresAt: string | null;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  /** Ids of others who fetched it: each is recorded once. */
  readonly fetchedBy: readonly string[];
}

/** Whether nothing more becomes of a job by itself. */
export function hasEnded({ status }: EvidenceJob): boolean {
  return status !== 'waiting' && status !== 'running';
}
