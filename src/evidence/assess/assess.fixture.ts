/** For tests: databases to ask, without a package around them. */
import { type AssessDatabase, buildDatabase } from './database.ts';
import { addSampling } from './sampling.ts';

const PERIOD = {
  name: '2026',
  since: '2026-01-01T00:00:00.000000Z',
  until: '2027-01-01T00:00:00.000000Z',
  zone: 'UTC',
} as const;

/** With all tables and no rows. */
export function emptyDatabase(): AssessDatabase {
  const asOf = { origin: 'test', size: 0, root: '', time: null };
  const db = buildDatabase(() => [], PERIOD, asOf, []);
  addSampling(db.sql, asOf, 'test');
  return db;
}
