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
  /** The process in the middle whose processor time is measured with that of its children; null for none. */
  pid(): number | null;
  stop(): Promise<void>;
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
