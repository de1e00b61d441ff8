/** What stands between pgbench and the database in one leg of the comparison. */
import type { TestPostgres } from '../../test/support/postgres.ts';

export interface Leg {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** PEM file of the authority to verify the other side by; null for plain text. */
  readonly caFile: string | null;
  /** The processes in the middle whose processor time is measured; null for none. */
  readonly middle: Middle | null;
  stop(): Promise<void>;
}

export interface Middle {
  /** The process that relays. */
  readonly relayPid: number;
  /** The process that, with its children, is all of the middle. */
  readonly pid: number;
  /** Waits until work that was put off is done, so that it counts for this leg and does not slow the next. */
  settle(): Promise<void>;
}

export interface BenchDatabase {
  readonly postgres: TestPostgres;
  /** The database that pgbench has filled. It takes plain text and TLS. */
  readonly database: string;
  /** PEM file of the server's authority. */
  readonly caFile: string;
  /** A directory for files, gone afterwards. */
  readonly directory: string;
}

export type StartLeg = (bench: BenchDatabase) => Promise<Leg>;
