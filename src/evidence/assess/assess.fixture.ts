/** For tests: databases to ask, without a package around them. */
import { type AssessDatabase, buildDatabase } from './database.ts';
import { evaluate } from './evaluate.ts';
import { addSampling } from './sampling.ts';
import type { AsOf, AssessedParameter, AssessmentResult, Period, Query } from './types.ts';

type Values = readonly Pick<AssessedParameter, 'id' | 'value'>[];

/** Long before and after whatever happens. */
export const PERIOD: Period = {
  name: 'test',
  since: '2020-01-01T00:00:00.000000Z',
  until: '2090-01-01T00:00:00.000000Z',
  zone: 'UTC',
};
export const NOWHERE: AsOf = { origin: 'test', size: 0, root: '', time: null };

/** With all tables and no rows. */
export function emptyDatabase(values: Values = []): AssessDatabase {
  const db = buildDatabase(() => [], PERIOD, NOWHERE, values);
  addSampling(db.sql, NOWHERE, 'test');
  return db;
}

/** What a query says of a database, as an assertion. */
export function asked(
  db: AssessDatabase,
  query: Query,
  values: Values = [],
  asOf: AsOf = NOWHERE,
): AssessmentResult {
  const objective = { id: 'o-1', asserts: 'What is asked.', kind: 'assertion', query } as const;
  const about = { id: 'f', title: 'f', version: '1', source: 'https://example.org', parameters: [] };
  const assessment = evaluate(db, {
    framework: { ...about, controls: [{ id: 'c-1', title: 'c', objectives: [objective] }] },
    ...{ sha256: '', period: PERIOD, asOf, parametersFrom: null },
    parameters: values.map((one) => ({ ...one, label: '', type: 'text', odp: [] })),
  });
  return assessment.results[0] as AssessmentResult;
}
